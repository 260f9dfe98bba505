//! Secrets that somebody else made, on both bases: a stack looks them up, gives them to those who use them, and never
//! changes them. The program has exactly the rights that `provision policy` prints.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use gateway::{Base, Gateway, Options};
use provision::aws::Cx;
use provision::image::artefacts::Artefacts;
use serde_json::{Value, json};
use support::binary::{NOWHERE, path, run, said, stderr, written};
use support::{context, rights};

/// One of the two secrets has a key of its own.
const STACK: &str = r#"stack: taker
region: eu-west-1
account: "123456789012"
queues: {work: {}}
secrets:
  admin-key: {}
  partner-key: { from: partner/key }
  sealed-key: { from: sealed }
services:
  reader: { image: "example.com/reader:1", port: 8080, uses: [admin-key, partner-key, sealed-key] }
functions:
  order: { role: order, uses: [partner-key], on: { queue: work }, env: { FACTORY_URL: "https://factory.example" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack).await;
}

async fn whole(base: Base) {
    let options = Options { base, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let file = written(STACK);
    let of_up = rights::give(&gateway, path(&file), "dev").await;
    let cx = context(gateway.url(), "taker", Artefacts::default()).await;
    absent(&gateway, &file).await;

    // The one who makes the secrets has other rights.
    gateway.free();
    let key = cx.kms.create_key().send().await.expect("a key").key_metadata.and_then(|key| key.arn).expect("its ARN");
    let theirs = aws_sdk_secretsmanager::types::Tag::builder().key("team").value("partners").build();
    let call = cx.secrets.create_secret().name("partner/key").description("By hand").tags(theirs);
    call.secret_string("first").send().await.expect("a secret");
    let call = cx.secrets.create_secret().name("sealed").kms_key_id(&key).secret_string("sealed");
    call.send().await.expect("a secret");
    let before = both(&cx).await;

    gateway.rights(&of_up);
    gateway.clear_calls();
    let up = run(gateway.url(), &["up", path(&file), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let told = plan(&gateway, &file, 0).await;
    assert!(told.starts_with("No changes"), "{told}");
    gateway.free();
    given(&cx, &key).await;

    rotated(&gateway, &cx, &file, &of_up).await;
    going(&gateway, &cx, &file, &of_up).await;

    gateway.rights(&of_up);
    let down = run(gateway.url(), &["down", path(&file), "--yes", "--delete-data"]).await;
    assert_eq!(down.status.code(), Some(0), "{}", said(&down));
    rights::were_enough(&gateway);
    gateway.free();
    assert_eq!(both(&cx).await, before, "another value of `partner/key` was put there by hand");
    let value = cx.secrets.get_secret_value().secret_id("partner/key").send().await.expect("still there");
    assert_eq!(value.secret_string(), Some("second"));
    let own = cx.secrets.describe_secret().secret_id("taker-dev-admin-key-value").send().await;
    assert!(own.is_err() || own.is_ok_and(|own| own.deleted_date().is_some()), "the stack's own secret goes");
    gateway.stop().await;
}

/// Without the secrets there is no plan. Every one that is missing is told, and nothing is changed.
async fn absent(gateway: &Gateway, file: &Path) {
    gateway.clear_calls();
    for words in [&["plan"][..], &["up", "--yes"]] {
        let output = run(gateway.url(), &[&words[..1], &[path(file)], &words[1..]].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let told = stderr(&output, file);
        for (place, name) in [("7:24", "partner/key"), ("8:23", "sealed")] {
            let line = format!("stack.yaml:{place}: there is no secret `{name}` in eu-west-1, in account 123456789012");
            assert!(told.contains(&line), "{told}");
        }
    }
    let writes: Vec<String> = gateway.calls().into_iter().filter(|call| call.write).map(|call| call.action).collect();
    assert_eq!(writes, [""; 0], "nothing is changed");
    let doctor = run(gateway.url(), &["doctor", path(file)]).await;
    assert_eq!(doctor.status.code(), Some(1), "{}", said(&doctor));
    assert!(said(&doctor).contains("there is no secret `sealed`"), "{}", said(&doctor));
    // To look at what there is, or to take it away, no secret is needed.
    let status = run(gateway.url(), &["status", path(file)]).await;
    assert_eq!(status.status.code(), Some(0), "{}", said(&status));
}

/// A service gets the value by its ARN and version, a function gets both, and the roles may read exactly these secrets.
async fn given(cx: &Cx, key: &str) {
    let (partner, sealed) = (seen(cx, "partner/key").await, seen(cx, "sealed").await);
    let from = task(cx).await;
    assert_eq!(from["PARTNER_KEY"], format!("{}:::{}", partner.arn, partner.version));
    assert_eq!(from["SEALED_KEY"], format!("{}:::{}", sealed.arn, sealed.version));
    assert!(from["ADMIN_KEY"].contains("secret:taker-dev-admin-key-value-"), "{from:?}");
    let environment = environment(cx).await;
    assert_eq!(environment["PARTNER_KEY_SECRET"], partner.arn);
    assert_eq!(environment["PARTNER_KEY_VERSION"], partner.version);

    let policy = policy(cx, "taker-dev-reader-execution").await;
    let of = |action: &str| -> Vec<&Value> {
        let all = policy["Statement"].as_array().expect("statements");
        all.iter().filter(|statement| statement["Action"] == json!([action])).collect()
    };
    let reads = of("secretsmanager:GetSecretValue");
    let read: Vec<&Value> = reads.iter().filter_map(|one| one["Resource"].as_array()).flatten().collect();
    assert!(read.contains(&&json!(partner.arn)) && read.contains(&&json!(sealed.arn)), "{policy:#}");
    assert!(read.iter().all(|arn| !arn.to_string().contains(['*', '?'])), "{policy:#}");
    // One statement is about the stack's key, and one about that of the sealed secret. AWS's own key needs none.
    let decrypts = of("kms:Decrypt");
    assert_eq!(decrypts.len(), 2, "{policy:#}");
    let of_key = decrypts.iter().find(|one| one["Resource"] == json!([key])).expect("the key of the sealed secret");
    let condition = json!({
        "StringEquals": {"kms:ViaService": ["secretsmanager.eu-west-1.amazonaws.com"]},
        "StringLike": {"kms:EncryptionContext:SecretARN": [sealed.arn]},
    });
    assert_eq!(of_key["Condition"], condition);
    let functions = self::policy(cx, "taker-dev-order-function").await;
    assert!(functions.to_string().contains(&partner.arn) && !functions.to_string().contains(key), "{functions:#}");
}

/// A value that was put there by hand is a change of those who use it, and of nothing else.
async fn rotated(gateway: &Gateway, cx: &Cx, file: &Path, of_up: &[Value]) {
    cx.secrets.put_secret_value().secret_id("partner/key").secret_string("second").send().await.expect("by hand");
    gateway.rights(of_up);
    let told = plan(gateway, file, 2).await;
    let changed = |line: &&str| ["  + ", "  ~ ", "  - ", "  ± "].iter().any(|sign| line.starts_with(sign));
    let changed: Vec<&str> = told.lines().filter(changed).collect();
    assert!(changed.iter().all(|line| line.starts_with("  ~ change  ")), "{told}");
    for kind in ["ecs.task_definition reader", "lambda.function order"] {
        assert!(changed.iter().any(|line| line.contains(kind)), "{kind} in {told}");
    }
    assert!(!told.contains("secretsmanager.secret") && !told.contains("second"), "{told}");
    assert_eq!(told.matches("[the secret has another version]").count(), 2, "{told}");
    let up = run(gateway.url(), &["up", path(file), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    plan(gateway, file, 0).await;
    gateway.free();
    let partner = seen(cx, "partner/key").await;
    assert_eq!(task(cx).await["PARTNER_KEY"], format!("{}:::{}", partner.arn, partner.version));
    assert_eq!(environment(cx).await["PARTNER_KEY_VERSION"], partner.version);
}

/// A secret in its recovery window cannot be used. A snapshot that was kept before still makes a plan.
async fn going(gateway: &Gateway, cx: &Cx, file: &Path, of_up: &[Value]) {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept.json");
    let status = run(gateway.url(), &["status", path(file), "--snapshot", path(&kept)]).await;
    assert_eq!(status.status.code(), Some(0), "{}", said(&status));
    let offline = run(NOWHERE, &["plan", path(file), "--snapshot", path(&kept), "--exit-code"]).await;
    assert_eq!(offline.status.code(), Some(0), "{}", said(&offline));

    cx.secrets.delete_secret().secret_id("partner/key").recovery_window_in_days(7).send().await.expect("by hand");
    gateway.rights(of_up);
    let output = run(gateway.url(), &["plan", path(file)]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = stderr(&output, file);
    assert!(told.contains("stack.yaml:7:24: the secret `partner/key` is to be deleted on "), "{told}");
    assert!(told.contains("restore-secret --secret-id partner/key"), "{told}");
    gateway.free();
    cx.secrets.restore_secret().secret_id("partner/key").send().await.expect("by hand");
    gateway.rights(of_up);
    plan(gateway, file, 0).await;
    gateway.free();
}

async fn plan(gateway: &Gateway, file: &Path, expected: i32) -> String {
    let output: Output = run(gateway.url(), &["plan", path(file), "--exit-code"]).await;
    assert_eq!(output.status.code(), Some(expected), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Seen {
    arn: String,
    version: String,
}

async fn seen(cx: &Cx, name: &str) -> Seen {
    let secret = cx.secrets.describe_secret().secret_id(name).send().await.expect("there");
    let mut versions = secret.version_ids_to_stages.unwrap_or_default().into_iter();
    let current = versions.find(|(_, stages)| stages.iter().any(|stage| stage == "AWSCURRENT"));
    Seen { arn: secret.arn.expect("an ARN"), version: current.expect("a version").0 }
}

/// The parts of the two secrets that nobody but their owner may change.
async fn both(cx: &Cx) -> Vec<String> {
    let mut both = Vec::new();
    for name in ["partner/key", "sealed"] {
        let secret = cx.secrets.describe_secret().secret_id(name).send().await.expect("there");
        let told = (secret.arn(), secret.description(), secret.kms_key_id(), secret.tags(), secret.deleted_date());
        both.push(format!("{told:?}"));
    }
    both
}

async fn task(cx: &Cx) -> BTreeMap<String, String> {
    let call = cx.ecs.describe_task_definition().task_definition("taker-dev-reader");
    let task = call.send().await.expect("there").task_definition.expect("a definition");
    let secrets = task.container_definitions()[0].secrets().to_vec();
    secrets.into_iter().map(|secret| (secret.name, secret.value_from)).collect()
}

async fn environment(cx: &Cx) -> std::collections::HashMap<String, String> {
    let call = cx.lambda.get_function_configuration().function_name("taker-dev-order");
    call.send().await.expect("there").environment.and_then(|all| all.variables).expect("variables")
}

async fn policy(cx: &Cx, role: &str) -> Value {
    let call = cx.iam.get_role_policy().role_name(role).policy_name("provision");
    let answer = call.send().await.expect("a policy");
    provision::aws::policy::parse(&answer.policy_document)
}

/// The offline commands print rights to look, and no more; a drawing; a template that has the ARN as a parameter.
#[tokio::test]
async fn offline_it_is_known_by_its_name() {
    let file = written(STACK);
    let printed = async |words: &[&str]| {
        let output = run(NOWHERE, words).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    for part in [&[][..], &["--plan"]] {
        let text = printed(&[&["policy", path(&file)], part].concat()).await;
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let documents = document["policies"].as_array().expect("documents");
        let statements = documents.iter().flat_map(|one| one["Statement"].as_array()).flatten();
        let about: Vec<&Value> = statements.filter(|one| one["Resource"].to_string().contains("partner/key")).collect();
        assert_eq!(about.len(), 1, "{about:#?}");
        assert_eq!(about[0]["Action"], json!(["secretsmanager:DescribeSecret"]));
    }
    let boundary: Value = serde_json::from_str(&printed(&["policy", path(&file), "--boundary"]).await).expect("JSON");
    let statements = boundary["Statement"].as_array().expect("statements").iter();
    let about: Vec<&Value> = statements.filter(|one| one.to_string().contains("sealed")).collect();
    insta::assert_json_snapshot!("existing_secret_in_the_boundary", about);

    let drawn = printed(&["graph", path(&file), "--format", "dot"]).await;
    assert!(drawn.contains("\"services.reader\" -> \"secrets.partner-key\";"), "{drawn}");
    assert!(drawn.contains("\"functions.order\" -> \"secrets.partner-key\";"), "{drawn}");
    let drawn = printed(&["graph", path(&file), "--format", "dot", "--by", "resource"]).await;
    assert!(drawn.contains("\"ecs.task_definition reader\" -> \"existing secret sealed-key\";"), "{drawn}");

    let plan = printed(&["plan", path(&file), "--offline"]).await;
    assert!(!plan.contains("partner-key-value") && plan.contains("admin-key-value"), "{plan}");

    let template = printed(&["export", "cloudformation", path(&file), "--json"]).await;
    let template: Value = serde_json::from_str(&template).expect("JSON");
    assert_eq!(template["Parameters"]["PartnerKeySecretArn"]["Type"], "String");
    let made = template["Resources"].as_object().expect("resources");
    let secrets: Vec<&String> =
        made.iter().filter(|(_, one)| one["Type"] == "AWS::SecretsManager::Secret").map(|(id, _)| id).collect();
    assert_eq!(secrets, ["AdminKeyValueSecret"]);
    let task = &made["ReaderTask"]["Properties"]["ContainerDefinitions"][0]["Secrets"];
    assert!(task.to_string().contains("${PartnerKeySecretArn}:::"), "{task:#}");
    let role = made.values().find(|one| one["Properties"]["RoleName"].to_string().contains("taker-dev-order"));
    insta::assert_json_snapshot!("existing_secret_in_a_template", role.expect("a role")["Properties"]["Policies"]);
}

/// A whole ARN says everything that a policy and a template have to know.
#[tokio::test]
async fn an_arn_needs_no_parameter() {
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:partner/key-AbCdEf";
    let file = written(&STACK.replace("from: partner/key", &format!("from: {ARN}")));
    let output = run(NOWHERE, &["export", "cloudformation", path(&file), "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(ARN) && !text.contains("PartnerKeySecretArn"), "{text}");
    assert!(text.contains("kms:eu-west-1:999999999999:key/*"), "the key may be of that account: {text}");
    let output = run(NOWHERE, &["policy", path(&file), "--plan"]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains(ARN), "{}", said(&output));
}
