//! A live Sendy is changed by hand in almost sixty ways. The plan shows each change under its own field, and `up` sets
//! all of them right, with exactly the rights that `provision policy` prints. There is one change for each sort of right, route and traffic that others can put beside the
//! stack's resources.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use gateway::{Base, Gateway, Options};
use serde_json::Value;
use support::binary::{run, said, stack};
use support::rights;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_shown_and_repaired() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, sendy) = (gateway.url(), stack("sendy"));
    let file = sendy.to_str().expect("a path in UTF-8");
    rights::give(&gateway, file, "dev").await;
    let up = run(url, &["up", file, "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));

    let mutated = mutate(url.to_owned()).await;
    assert!(mutated.status.success(), "{}", said(&mutated));
    let changes: Vec<Value> = said_lines(&mutated);
    assert!(changes.len() >= 58, "{} changes", changes.len());
    let failed: Vec<&Value> = changes.iter().filter(|change| !change["error"].is_null()).collect();
    assert!(failed.is_empty(), "{failed:#?}");

    let plan = run(url, &["plan", file, "--env", "dev", "--json"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    let steps = plan["steps"].as_array().expect("steps");
    let missing: Vec<&Value> = changes.iter().filter(|change| !steps.iter().any(|step| shows(step, change))).collect();
    let beside: Vec<&Value> = steps.iter().filter(|step| missing.iter().any(|change| is_of(step, change))).collect();
    assert!(missing.is_empty(), "not in the plan: {missing:#?}, but {beside:#?}");
    // Nothing else changed, except fields that follow from these.
    let asked = |step: &&Value| changes.iter().any(|change| is_of(step, change));
    let stray: Vec<&Value> = steps.iter().filter(|step| step["do"] != "keep").filter(|step| !asked(step)).collect();
    assert!(stray.is_empty(), "{stray:#?}");

    let repaired = run(url, &["up", file, "--env", "dev", "--yes"]).await;
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    let again = run(url, &["plan", file, "--env", "dev", "--exit-code"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    rights::were_enough(&gateway);
    gateway.stop().await;
}

async fn mutate(url: String) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("../.emulators/venv/bin/python"));
    python.arg(root.join("tests/mutations.py")).arg(url);
    tokio::task::spawn_blocking(move || python.output().expect("Python runs")).await.expect("it ends")
}

fn said_lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn is_of(step: &Value, change: &Value) -> bool {
    step["kind"] == change["kind"] && step["name"] == change["name"]
}

/// Whether the step shows the change under its own field, or a part of it. A resource that was deleted is created. A
/// thing that was put on a resource of ours is deleted.
fn shows(step: &Value, change: &Value) -> bool {
    if !is_of(step, change) {
        return false;
    }
    if change["on"].is_string() {
        return step["do"] == "delete" && step["why"]["because"] == "beside" && step["why"]["on"] == change["on"];
    }
    let Some(field) = change["field"].as_str() else { return step["do"] == "create" };
    let mut paths = step["changes"].as_array().into_iter().flatten().filter_map(|one| one["path"].as_str());
    paths.any(|path| path == field || path.strip_prefix(field).is_some_and(|rest| rest.starts_with('.')))
}
