//! The permissions boundary that an account has for a stack, or does not have.

mod support;

use std::path::Path;

use gateway::{Base, Gateway, Options};
use provision::image::artefacts::Artefacts;
use serde_json::Value;
use support::binary::{path, run, said, stack};
use support::{context, rights};

const NAME: &str = "provision-hello-dev";

async fn start() -> Gateway {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first")
}

async fn make(gateway: &Gateway) {
    let iam = context(gateway.url(), "bench", Artefacts::default()).await.iam;
    let document =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}"#;
    iam.create_policy().policy_name(NAME).policy_document(document).send().await.expect("a policy");
}

async fn bounded(gateway: &Gateway) -> Vec<Option<String>> {
    let iam = context(gateway.url(), "bench", Artefacts::default()).await.iam;
    let roles = iam.list_roles().path_prefix("/provision/hello/dev/").send().await.expect("roles").roles;
    let mut found = Vec::new();
    for role in roles {
        let role = iam.get_role().role_name(role.role_name).send().await.expect("a role").role.expect("a role");
        found.push(role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn));
    }
    found
}

async fn plan(gateway: &Gateway, file: &Path) -> Value {
    let output = run(gateway.url(), &["plan", path(file), "--env", "dev", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn changes(plan: &Value) -> Vec<&Value> {
    plan["steps"].as_array().expect("steps").iter().filter(|step| step["do"] != "keep").collect()
}

/// Without the boundary one line says how to make it, and the stack comes up. When it is there, the roles come within it
/// by a change that the plan shows. A colleague who may not look for it sees no difference.
#[tokio::test(flavor = "multi_thread")]
async fn the_roles_get_the_boundary_when_the_account_has_it() {
    let (gateway, hello) = (start().await, stack("hello"));
    let up = run(gateway.url(), &["up", path(&hello), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    let command = format!("provision policy {} --env dev --boundary", path(&hello));
    let at = told.find("the roles get no permissions boundary").unwrap_or_else(|| panic!("{told}"));
    assert!(told.contains(&command) && told.contains(&format!("--policy-name {NAME}")), "{told}");
    assert!(at < told.find(" created").expect("something is made"), "before the first change: {told}");
    let roles = bounded(&gateway).await;
    assert!(roles.len() > 1 && roles.iter().all(Option::is_none), "{roles:?}");
    assert!(changes(&plan(&gateway, &hello).await).is_empty());

    make(&gateway).await;
    let shown = plan(&gateway, &hello).await;
    let changes_of_roles = changes(&shown);
    assert_eq!(changes_of_roles.len(), roles.len(), "{changes_of_roles:#?}");
    for step in changes_of_roles {
        assert_eq!((&step["do"], &step["kind"]), (&"update".into(), &"iam.role".into()));
        assert_eq!(step["changes"][0]["path"], "permissions_boundary");
        assert_eq!(step["changes"][0]["to"], format!("arn:aws:iam::123456789012:policy/{NAME}"));
        assert_eq!(step["why"]["because"], "account", "{step:#}");
    }
    let up = run(gateway.url(), &["up", path(&hello), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    assert!(!String::from_utf8_lossy(&up.stderr).contains("get no permissions boundary"), "{}", said(&up));
    assert!(bounded(&gateway).await.iter().all(Option::is_some));
    assert!(changes(&plan(&gateway, &hello).await).is_empty());
    gateway.deny(&["iam:GetPolicy"]);
    assert!(changes(&plan(&gateway, &hello).await).is_empty(), "a colleague sees the roles as they are");
    gateway.stop().await;
}

/// The printed rights make no role without the boundary, and the failure names what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_boundary_the_printed_rights_make_no_role() {
    let (gateway, hello) = (start().await, stack("hello"));
    let printed = rights::printed(&gateway, path(&hello), "dev", &[]).await;
    gateway.rights(printed["policies"].as_array().expect("documents"));
    let up = run(gateway.url(), &["up", path(&hello), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    let told = String::from_utf8_lossy(&up.stderr).into_owned();
    let failed = told.lines().find(|line| line.starts_with("error:") && line.contains("iam:CreateRole"));
    assert!(failed.is_some_and(|line| line.contains(NAME)), "{told}");
    gateway.stop().await;
}
