//! What the runtime does for every function: secrets, the trace of an event, the migration of a schema. The functions are
//! those of the shop.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::engines::{APP, OWNER, pause};
use support::lambda::{TRACE, ask, call};
use support::msa_study::{ADMIN_KEY, MsaStudy, migrate};
use support::{Received, server};

/// A function has the ARNs of its secrets. If the database refuses the password, the current version is fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_fetched_at_the_start_and_again_when_a_password_was_changed() {
    let study = MsaStudy::new().await;
    let arn = |name: &str| format!("arn:aws:secretsmanager:ap-northeast-2:123456789012:secret:{name}-AbCdEf");
    let (login, key) = (arn("item-app"), arn("admin-key"));
    // The texts by the version.
    let texts: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let (asked, topics) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
    let secret = |password: &str| json!({ "username": APP.0, "password": password, "engine": "mysql" }).to_string();
    texts.lock().unwrap().extend([
        ("item-app v1".to_owned(), secret(APP.1)),
        ("item-app current".to_owned(), secret(APP.1)),
        ("admin-key k1".to_owned(), "fetched-key".to_owned()),
    ]);
    let manager = {
        let (texts, asked, topics) = (Arc::clone(&texts), Arc::clone(&asked), Arc::clone(&topics));
        server(move |request: &Received| {
            let Some(target) = request.header("x-amz-target") else {
                topics.lock().unwrap().push(request.header("x-amzn-trace-id").unwrap_or_default().to_owned());
                return (500, String::new(), String::new());
            };
            assert_eq!(target, "secretsmanager.GetSecretValue");
            let is_signed = request.header("authorization").unwrap().contains("/ap-northeast-2/secretsmanager/");
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let version = body["VersionId"].as_str().unwrap_or("current");
            let name = body["SecretId"].as_str().unwrap().split(':').next_back().unwrap().trim_end_matches("-AbCdEf");
            let name = format!("{name} {version}");
            let text = texts.lock().unwrap().get(&name).cloned();
            asked.lock().unwrap().push(name);
            match text {
                Some(text) if is_signed => (200, String::new(), json!({ "SecretString": text }).to_string()),
                _ => (400, String::new(), json!({ "__type": "ResourceNotFoundException" }).to_string()),
            }
        })
    };
    let endpoint = format!("http://{manager}");
    let secrets = [
        ("DATABASE_USER", ""),
        ("DATABASE_PASSWORD", ""),
        ("DATABASE_USER_SECRET", login.as_str()),
        ("DATABASE_USER_VERSION", "v1"),
        ("DATABASE_PASSWORD_SECRET", &login),
        ("DATABASE_PASSWORD_VERSION", "v1"),
        ("ADMIN_KEY", ""),
        ("ADMIN_KEY_SECRET", &key),
        ("ADMIN_KEY_VERSION", "k1"),
    ];
    let shop = study.shop_with(&endpoint, &secrets);
    let body = "{\"quantity\":4}";
    assert_eq!(ask(&shop, "PUT", "/item/1", &[("x-api-key", ADMIN_KEY)], body).status, 401);
    assert_eq!(ask(&shop, "PUT", "/item/1", &[("x-api-key", "fetched-key")], body).status, 200);
    assert_eq!(
        BTreeSet::from(["admin-key k1".into(), "item-app v1".into()]),
        asked.lock().unwrap().drain(..).collect()
    );

    // The password is changed, in the database and in the secret. The version in the environment is the old one.
    study.maria.run(&format!("ALTER USER {}@'%' IDENTIFIED BY 'changed'", APP.0)).await;
    study.maria.run("FLUSH PRIVILEGES").await;
    texts.lock().unwrap().insert("item-app current".to_owned(), secret("changed"));
    let fresh = study.shop_with(&endpoint, &secrets);
    for function in [&shop, &fresh] {
        // A session that is open goes on. The next one is refused, and begins with the new password.
        study.maria.run("DELETE FROM item.orders").await;
        for id in study.rows::<u64>("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'app'").await {
            study.maria.run(&format!("KILL {id}")).await;
        }
        pause(100).await;
        let answer = ask(function, "GET", "/item", &[], "");
        assert_eq!(answer.status, 200, "{answer:?} {:#?}", function.lines());
    }
    assert!(asked.lock().unwrap().contains(&"item-app current".to_owned()));
    let lines = fresh.lines();
    assert!(lines.iter().any(|line| line["event"] == "password.refused"), "{lines:#?}");
    assert!(lines.iter().chain(&shop.lines()).all(|line| !line.to_string().contains("changed")), "{lines:#?}");

    // A version that is gone is no reason to fail, and a secret that is gone is told by its name.
    let gone = [&secrets[..5], &[("DATABASE_PASSWORD_VERSION", "v0")], &secrets[6..]].concat();
    assert_eq!(ask(&study.shop_with(&endpoint, &gone), "GET", "/item", &[], "").status, 200);
    texts.lock().unwrap().clear();
    let error = study.shop_with(&endpoint, &secrets).invoke(&json!({})).unwrap_err();
    let said = error["errorMessage"].as_str().unwrap();
    assert!(said.starts_with("configuration: the secret arn:aws:secretsmanager:"), "{said}");
    assert!(said.ends_with("Secrets Manager refuses it: ResourceNotFoundException"), "{said}");

    // What goes to the topic carries the trace of the event, so that Lambda finds loops.
    let order = json!({ "item_name": "Item3", "quantity": 9, "requester": "x" }).to_string();
    assert_eq!(ask(&fresh, "POST", "/item", &[], &order).status, 200);
    assert_eq!(topics.lock().unwrap().first().map(String::as_str), Some(TRACE));
}

/// The function that makes a schema says why it could not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_fails_says_why() {
    let study = MsaStudy::new().await;
    let said = |schema: &str| {
        let error = migrate(study.maria.engine.port, schema).invoke(&json!({})).unwrap_err();
        (error["errorType"].as_str().unwrap().to_owned(), error["errorMessage"].as_str().unwrap().to_owned())
    };
    study.maria.run("UPDATE log.schema_migrations SET sha256 = 'x' WHERE version = 1").await;
    let changed = "migration 1 (logs) was applied with another text: add a new one instead of changing it";
    assert_eq!(said("log"), ("Migrate.Failed".to_owned(), changed.to_owned()));
    study.maria.run(&format!("ALTER USER {}@'%' IDENTIFIED BY 'other'", OWNER.0)).await;
    let (kind, message) = said("item");
    assert!(message.contains("as its owner") && message.contains("Access denied"), "{message}");
    assert_eq!(kind, "Migrate.Failed");
    let (kind, message) = said("nothing");
    assert!(message.contains("there is no schema of this name"), "{message}");
    assert_eq!(kind, "Runtime.Configuration");
    assert!(call(study.messages, "ListQueues", &json!({})).is_some());
}
