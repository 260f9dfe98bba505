//! `provision doctor`, and the same checks before `up`, on both bases. Each check names its subject.

mod support;

use std::path::Path;
use std::process::Output;

use gateway::{Base, Effect, Gateway, Options, Rule};
use serde_json::Value;
use support::binary::{path, run, said, stack};

async fn start(base: Base) -> Gateway {
    let options = Options { base, scale: support::SCALE, ..Options::default() };
    Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first")
}

async fn doctor(gateway: &Gateway, file: &Path, arguments: &[&str]) -> Output {
    run(gateway.url(), &[&["doctor", path(file)], arguments].concat()).await
}

/// The findings of a check, a line each: `stop quotas: what -> todo`.
fn found(output: &Output, check: &str) -> String {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)));
    let findings = report["findings"].as_array().expect("findings").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |one: &Value| {
        let todo = one["todo"].as_str().map(|todo| format!(" -> {todo}")).unwrap_or_default();
        format!("{} {}: {}{todo}", text(&one["level"]), text(&one["check"]), text(&one["what"]))
    };
    findings.filter(|one| one["check"] == check).map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_on_moto() {
    all_is_well(Base::Moto, "dev").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_on_ministack() {
    all_is_well(Base::Ministack, "prod").await;
}

async fn all_is_well(base: Base, env: &str) {
    let gateway = start(base).await;
    let output = doctor(&gateway, &stack("sendy"), &["--env", env]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!(format!("well_{env}"), String::from_utf8_lossy(&output.stdout));
    let writes: Vec<_> = gateway.calls().into_iter().filter(|call| call.write).map(|call| call.action).collect();
    assert_eq!(writes, [""; 0], "it only looks");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_says_stop() {
    let gateway = start(Base::Moto).await;
    let sendy = stack("sendy");
    gateway.deny(&["rds:CreateDBInstance*", "sqs:CreateQueue"]);
    gateway.unsell(&["8.4*", "valkey/*", "t3.small.search"]);
    gateway.quota("L-0263D0A3", 0.0);
    gateway.quota("L-3032A538", 0.5);
    let output = doctor(&gateway, &sendy, &["--env", "dev", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = ["permissions", "quotas", "databases", "caches", "search"].map(|check| found(&output, check));
    insta::assert_snapshot!(told.join("\n"));
    gateway.unsell(&["db.t4g.micro/*", "cache.t4g.*"]);
    let output = doctor(&gateway, &sendy, &["--env", "dev", "--json"]).await;
    let told = ["databases", "caches"].map(|check| found(&output, check));
    insta::assert_snapshot!(told.join("\n"), @r"
    stop databases: RDS does not sell MySQL 8.4.7 on db.t4g.micro in ap-northeast-2 -> choose another `class:`, or another region
    warning caches: ElastiCache seems not to sell cache.t4g.micro in ap-northeast-2 -> look at its price list, and choose another `class:` if it is not there
    ");

    // The same findings stop `up` before its first change, unless it is told not to look.
    gateway.clear_calls();
    let up = run(gateway.url(), &["up", path(&sendy), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    assert!(said(&up).contains("of this would stop it half-way, so nothing was begun"), "{}", said(&up));
    assert!(gateway.calls().iter().all(|call| !call.write || call.lease), "{}", said(&up));
    gateway.deny(&["sns:CreateTopic"]);
    let bell = stack("bell");
    let up = run(gateway.url(), &["up", path(&bell), "--yes"]).await;
    assert!(said(&up).contains("may not sns:CreateTopic"), "{}", said(&up));
    let up = run(gateway.url(), &["up", path(&bell), "--yes", "--no-preflight"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    assert!(said(&up).contains("is not authorized to perform: sns:CreateTopic"), "{}", said(&up));
    gateway.stop().await;
}

/// us-west-1 has two zones for every account (run-x/opta 156, cloudposse/terraform-aws-dynamic-subnets 218,
/// xuwang/aws-terraform 28). The number of zones of a stack is chosen once.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_with_two_zones() {
    let gateway = start(Base::Moto).await;
    gateway.zones(2);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("west.yaml");
    let text =
        "stack: west\nregion: us-west-1\nenvironments: {dev: {}, prod: {}}\nservices:\n  shop: {image: 'shop:1'}\n";
    std::fs::write(&file, text).expect("written");
    let output = doctor(&gateway, &file, &["--env", "prod", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = "us-west-1 has 2 zones for this account, us-west-1a and us-west-1b, and the stack wants 3";
    let todo =
        "write `network: {zones: 2}` in the stack file, or under `environments.prod` if only there; it is chosen once";
    assert_eq!(found(&output, "zones"), format!("stop zones: {told} -> {todo}"));
    for arguments in [&["plan", path(&file), "--env", "prod"][..], &["up", path(&file), "--env", "prod", "--yes"]] {
        let output = run(gateway.url(), arguments).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{}", said(&output));
    }
    assert!(gateway.calls().iter().all(|call| !call.write || call.lease), "nothing is made");
    let output = doctor(&gateway, &file, &["--env", "dev", "--json"]).await;
    assert_eq!((output.status.code(), found(&output, "zones").as_str()), (Some(0), ""), "{}", said(&output));
    std::fs::write(&file, text.replace("prod: {}", "prod: {network: {zones: 2}}")).expect("written");
    let output = run(gateway.url(), &["plan", path(&file), "--env", "prod"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let up = run(gateway.url(), &["up", path(&file), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    // A stack that has its zones keeps them, whatever the region offers to new stacks.
    gateway.zones(1);
    let output = run(gateway.url(), &["plan", path(&file), "--env", "dev"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    gateway.stop().await;
}

/// A caller who may not ask gets a warning and no failure. The product says what it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_a_warning() {
    let gateway = start(Base::Moto).await;
    gateway.deny(&[
        "iam:SimulatePrincipalPolicy",
        "servicequotas:*",
        "rds:DescribeDB*Versions",
        "es:ListVersions",
        "elasticache:*Versions",
    ]);
    let output = doctor(&gateway, &stack("sendy"), &["--env", "dev", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for check in ["permissions", "quotas", "databases", "caches", "search"] {
        let found = found(&output, check);
        assert!(
            found.starts_with(&format!("warning {check}: ")) && found.contains("could not be checked: "),
            "{found}"
        );
    }
    gateway.deny(&["iam:SimulatePrincipalPolicy"]);
    let up = run(gateway.url(), &["up", path(&stack("bell")), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    assert!(said(&up).contains("what these credentials may do could not be checked"), "{}", said(&up));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_rest() {
    // The gateway has the pace of AWS, so that the minute of a queue is a minute.
    let options = Options { base: Base::Moto, scale: 1.0, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let cx = support::context(gateway.url(), "bell", provision::image::artefacts::Artefacts::default()).await;
    // The emulators start with the first call to them, which takes its time.
    let before = doctor(&gateway, &stack("bell"), &["--json"]).await;
    assert_eq!(found(&before, "names"), "ok names: every name is free");
    let made = cx.sqs.create_queue().queue_name("bell-dev-answers").send().await.expect("made");
    cx.sqs.delete_queue().set_queue_url(made.queue_url).send().await.expect("deleted");
    let output = doctor(&gateway, &stack("bell"), &["--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!(found(&output, "names"), @"warning names: sqs.queue answers: a queue `bell-dev-answers` was deleted less than 60 s ago -> nothing: `up` waits for the rest of that minute");

    let artefacts = provision::image::artefacts::Artefacts::default();
    let cx = support::context_in(gateway.url(), "ap-northeast-2", "sendy", artefacts).await;
    let secret = "sendy-dev-reservations-app";
    cx.secrets.create_secret().name(secret).secret_string("x").send().await.expect("made");
    cx.secrets.delete_secret().secret_id(secret).send().await.expect("scheduled");
    let output = doctor(&gateway, &stack("sendy"), &["--env", "dev", "--json"]).await;
    let day = found(&output, "names");
    assert!(
        day.starts_with(&format!("stop names: secretsmanager.secret reservations-app: a secret `{secret}` that")),
        "{day}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_and_image() {
    let gateway = start(Base::Moto).await;
    let cx = support::context(gateway.url(), "web", provision::image::artefacts::Artefacts::default()).await;
    let asked = cx.acm.request_certificate().domain_name("web.example").send().await.expect("requested");
    let waiting = asked.certificate_arn.expect("an ARN");
    cx.ecr.create_repository().repository_name("team/web").send().await.expect("a repository");
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web:1";
    // If the file had a region, `check` would see already that the certificate is in another one.
    let checked = async |certificate: &str| {
        let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
        let text = format!(
            "stack: web\nnetwork: {{certificate: '{certificate}'}}\nservices:\n  one: {{image: '{image}', port: 8080, http: {{}}}}\n  two: {{image: 'nginx:1', port: 8080}}\n"
        );
        std::fs::write(file.path(), text).expect("written");
        doctor(&gateway, file.path(), &["--json", "--region", "eu-west-1"]).await
    };
    let output = checked(&waiting).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    insta::assert_snapshot!(format!("{}\n{}", found(&output, "certificate"), found(&output, "images")), @r"
    stop certificate: the certificate of web.example waits for its validation -> put ACM's CNAME record into the domain's DNS and wait until it is issued: aws acm describe-certificate shows it
    stop images: there is no image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web:1 -> push it first, or name another one in `image:`
    warning images: the image nginx:1 could not be checked: it is not in ECR
    ");
    let missing = "arn:aws:acm:eu-west-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    let elsewhere = missing.replace("eu-west-1", "us-east-1");
    let told = [found(&checked(missing).await, "certificate"), found(&checked(&elsewhere).await, "certificate")];
    insta::assert_snapshot!(told.join("\n"), @r"
    stop certificate: there is no certificate arn:aws:acm:eu-west-1:123456789012:certificate/00000000-0000-0000-0000-000000000000 -> request or import one, and name it in `network.certificate`
    stop certificate: the certificate is of us-east-1, and the load balancer is in eu-west-1 -> request or import one in that region, and name it in `network.certificate`
    ");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stack_it_says_who_we_are() {
    let gateway = start(Base::Moto).await;
    let output = run(gateway.url(), &["doctor", "--region", "eu-west-1"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @"ok       account       123456789012 in eu-west-1, as arn:aws:iam::123456789012:user/test");
    gateway.rules(vec![Rule { effect: Effect::Expired, ..Rule::default() }]).expect("a rule");
    let output = run(gateway.url(), &["doctor", "--region", "eu-west-1"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    stop     account       the credentials do not work: ExpiredToken: The security token included in the request is expired (request id: gateway)
                           -> log in (`aws sso login`, or fresh keys), then run the same command again
    ");
    assert_eq!(run(gateway.url(), &["doctor", "--install"]).await.status.code(), Some(64));
    gateway.stop().await;
}
