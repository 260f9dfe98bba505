//! Compares the template of `provision export` with the work of `up`. Another program carries the template out, and
//! then a plan is made.

mod support;

use std::path::Path;
use std::process::Command;

use aws_config::Region;
use aws_credential_types::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{Base, Gateway, Options};
use provision::aws::take;
use provision::aws::{self, Cx, Proof};
use provision::export::{Template, cloudformation};
use provision::image::Digests;
use provision::image::artefacts::{Artefacts, Zip};
use provision::image::{self, Architecture};
use provision::kinds::rate_of;
use provision::plan::Plan;
use provision::scope::Scope;
use provision::sections::aws::expand;
use provision::sections::load;
use provision::wait::Clock;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::binary::said;

/// The fields in which the template differs from the work of `up`, each with the reason. All other fields of every
/// resource are compared one by one, those of IAM policies, security groups, encryption and containers included.
const DIFFERENT: &[(&str, &str)] = &[
    ("create ec2.default_security_group main", "CloudFormation cannot empty it: a step by hand"),
    ("update ec2.security_group_rules database-reservations: egress", NOTHING_OUT),
    ("update rds.instance reservations: master_version", "it has the password of the secret, without our tag"),
    ("update ec2.security_group_rules cache-lookups: egress", NOTHING_OUT),
    ("update elasticache.replication_group lookups: auth_version", "it has the token of the secret, without our tag"),
    ("update ec2.security_group_rules search-logs: egress", NOTHING_OUT),
    ("create ecr.image runtime", "the image is a parameter, and was pushed to nowhere here"),
    (
        "update ecs.task_definition lookup: image, secrets.CACHE_TOKEN, secrets.DATABASE_PASSWORD, secrets.DATABASE_USER",
        PINNED,
    ),
    ("update ecs.service lookup: task_definition", FOLLOWS),
    ("update ecs.task_definition notification: image, secrets.DATABASE_PASSWORD, secrets.DATABASE_USER", PINNED),
    ("update ecs.service notification: task_definition", FOLLOWS),
    (
        "update ecs.task_definition reservation: image, secrets.CACHE_TOKEN, secrets.DATABASE_OWNER_PASSWORD, secrets.DATABASE_OWNER_USER, secrets.DATABASE_PASSWORD, secrets.DATABASE_USER",
        PINNED,
    ),
    ("update ecs.service reservation: task_definition", FOLLOWS),
    ("create lambda.permission logs-reservation", OWN_NAMES),
    ("delete lambda.permission forwarder/cloudformation-…", OWN_NAMES),
];
const OWN_NAMES: &str =
    "CloudFormation gives its statements names of its own, and nobody else's stay on a function of ours";
const NOTHING_OUT: &str = "one rule to 127.0.0.1 keeps AWS from adding one for everything";
const PINNED: &str = "no template knows the version of a secret before it is there; and the image, as above";
const FOLLOWS: &str = "another revision, as above";

/// Another program carries the template out, property by property. Then `plan` shows only the known differences.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_what_up_makes_in_prod() {
    let different: Vec<&str> = DIFFERENT.iter().map(|(line, _)| *line).collect();
    assert_eq!(left_for_up("prod").await.lines().collect::<Vec<_>>(), different);
}

/// In dev the domain is not in the network.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_what_up_makes_in_dev() {
    let different = DIFFERENT.iter().map(|(line, _)| *line).filter(|line| !line.contains("search-logs"));
    assert_eq!(left_for_up("dev").await.lines().collect::<Vec<_>>(), different.collect::<Vec<_>>());
}

/// The line without the digest at the end of a name that CloudFormation gave.
fn without_digest(line: &str) -> String {
    match line.split_once("/cloudformation-") {
        Some((before, _)) => format!("{before}/cloudformation-…"),
        None => line.to_owned(),
    }
}

async fn left_for_up(env: &str) -> String {
    let text = std::fs::read_to_string(support::binary::stack("sendy")).expect("a stack");
    let loaded = load::load(&text, env).unwrap_or_else(|problems| panic!("{problems:?}"));
    let template = cloudformation(&loaded).unwrap_or_else(|refused| panic!("{refused:?}"));
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let runtime = b"runtime";
    let bytes = image::lambda_zip(runtime).expect("a zip");
    let image = image::build(runtime, Architecture::X86_64).expect("an image");
    deploy(&template, gateway.url(), &format!("sendy/{env}"), &bytes, &image.manifest.digest);

    let scope = Scope {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        stack: "sendy".into(),
        env: env.into(),
        tags: Default::default(),
    };
    let sha256 = STANDARD.encode(Sha256::digest(&bytes));
    let digests = Digests { image: image.manifest.digest.clone(), zip: sha256.clone(), ..Digests::default() };
    let desired = expand(&loaded, &scope, &digests).desired;
    let clock = Clock::new(support::SCALE);
    let config = aws::settings(clock, rate_of)
        .region(Region::new("eu-west-1"))
        .endpoint_url(gateway.url())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await;
    let artefacts = Artefacts { image: Some(image), zip: Some(Zip { bytes, sha256 }) };
    let cx = Cx::new(scope, clock, &config, artefacts);
    // The gateway hides new resources from some of the first reads, as AWS does. So plans are made until three in a row
    // say the same.
    let mut plans: Vec<String> = Vec::new();
    for _ in 0..20 {
        let snapshot = take::take(&cx, &desired, Proof::Service).await.unwrap_or_else(|errors| panic!("{errors:?}"));
        plans.push(support::lines(&Plan::new(&cx.scope, &desired, &snapshot)));
        if let [.., first, second, third] = plans.as_slice()
            && first == second
            && second == third
        {
            let plan = plans.pop().unwrap_or_default();
            return plan.lines().map(without_digest).collect::<Vec<_>>().join("\n");
        }
    }
    panic!("no two plans are the same: {plans:?}");
}

fn deploy(template: &Template, url: &str, stack: &str, package: &[u8], digest: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).expect("written");
        file
    };
    let names: serde_json::Map<String, Value> =
        template.addresses().map(|(id, address)| (id.to_owned(), address.name.as_str().into())).collect();
    let image =
        format!("ImageUri=123456789012.dkr.ecr.eu-west-1.amazonaws.com/{}-runtime@{digest}", stack.replace('/', "-"));
    let deployed = Command::new(here().join("../.emulators/venv/bin/python"))
        .arg(here().join("gateway/deploy.py"))
        .arg(write("template.json", template.json().to_string().as_bytes()))
        .arg(write("names.json", Value::Object(names).to_string().as_bytes()))
        .args([url, stack])
        .arg(write("package.zip", package))
        .args([image.as_str(), "ForwarderBucket=artefacts", "ForwarderKey=forwarder.zip"])
        .output()
        .expect("python runs: run provisioner/gateway/install.sh first");
    assert!(deployed.status.success(), "{}", said(&deployed));
    let all = format!("{} resources", template.len());
    assert_eq!(String::from_utf8_lossy(&deployed.stdout).trim(), all);
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
