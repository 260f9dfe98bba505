//! The database and the cache over TLS. A connection is encrypted and of the right name, or there is none.

mod support;

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::Process;
use support::engines::{self, APP, Maria, OWNER, SCHEMA, TOKEN, sql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_certificate_of_the_right_name_and_authority_will_do() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    certificates(directory.path());
    let option = |name: &str, file: &str| format!("--{name}={}", at(file));
    let (cert, key) = (option("ssl-cert", "server.pem"), option("ssl-key", "server.key"));
    let primary = Maria::new(&directory.path().join("p"), 1, &[&cert, &key, "--require-secure-transport=1"]);
    primary.run(&format!("CREATE DATABASE {SCHEMA}")).await;
    primary.run(&format!("CREATE USER {}@'%' IDENTIFIED BY {} REQUIRE SSL", OWNER.0, sql(OWNER.1))).await;
    primary.run(&format!("GRANT ALL ON *.* TO {}@'%' WITH GRANT OPTION", OWNER.0)).await;
    let (cert, key, ca) = (at("server.pem"), at("server.key"), at("ca.pem"));
    let tls = ["--port", "0", "--tls-port", "PORT", "--tls-cert-file", &cert, "--tls-key-file", &key]
        .into_iter()
        .chain(["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"])
        .collect::<Vec<_>>();
    let cache = engines::redis(&directory.path().join("c"), &tls);

    let ports = [primary.engine.port, cache.port].map(|port| port.to_string());
    let start = |host: &str, ca: &str| {
        let mut variables = vec![
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("DATABASE_HOST", host),
            ("DATABASE_PORT", &ports[0]),
            ("DATABASE_NAME", SCHEMA),
            ("DATABASE_USER", APP.0),
            ("DATABASE_PASSWORD", APP.1),
            ("DATABASE_OWNER_USER", OWNER.0),
            ("DATABASE_OWNER_PASSWORD", OWNER.1),
            ("CACHE_HOST", host),
            ("CACHE_PORT", &ports[1]),
            ("CACHE_TOKEN", TOKEN),
            ("TOPIC_ARN", "arn:aws:sns:ap-northeast-2:123456789012:events"),
        ];
        if !ca.is_empty() {
            variables.extend([("DATABASE_CA", ca), ("CACHE_CA", ca)]);
        }
        Process::start(&["serve", "reservation"], &variables)
    };

    // The certificate is for `localhost`.
    let mut right = start("localhost", &ca);
    right.line("cache.connected");
    right.line("ready");
    let encrypted = primary.number("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'").await;
    assert!(encrypted > 0);
    assert_eq!(primary.number("SELECT COUNT(*) FROM mysql.user WHERE user = 'app' AND ssl_type = 'ANY'").await, 1);

    let other = at("other.pem");
    for (host, ca) in [("127.0.0.1", ca.as_str()), ("localhost", &other), ("localhost", "")] {
        let mut wrong = start(host, ca);
        for line in wrong.each_of(&["cache.unreachable", "waiting_for_schema"]) {
            let message = line["message"].as_str().unwrap().to_lowercase();
            assert!(message.contains("certificate"), "{host} {ca}: {message}");
        }
        assert!(!wrong.seen.iter().any(|line| line.contains(r#""event":"ready""#)));
    }
}

#[test]
fn an_authority_that_cannot_be_read_is_told_at_the_start() {
    let mut process = Process::start(
        &["serve", "lookup"],
        &[
            ("DATABASE_HOST", "h"),
            ("DATABASE_NAME", "n"),
            ("DATABASE_USER", "u"),
            ("DATABASE_PASSWORD", "hunter2"),
            ("DATABASE_CA", "/nowhere/ca.pem"),
            ("CACHE_HOST", "h"),
        ],
    );
    let line = process.line("failed");
    assert_eq!(line["message"], "DATABASE_CA: reading /nowhere/ca.pem: No such file or directory (os error 2)");
    assert_eq!(process.exit().code(), Some(1));
}

/// Makes an authority, a certificate of it for `localhost`, and another authority.
fn certificates(directory: &Path) {
    let authority = || {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    };
    let issuer = authority();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write("ca.pem", issuer.pem());
    write("other.pem", authority().pem());
    write("server.pem", server.pem());
    write("server.key", key.serialize_pem());
}
