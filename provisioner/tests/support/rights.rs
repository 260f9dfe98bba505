//! The rights that `provision policy` prints, given to the caller of a gateway.

use std::path::Path;
use std::process::Command;

use gateway::Gateway;
use provision::image::artefacts::Artefacts;
use serde_json::Value;

use super::binary::{run, said};
use super::context;

/// Gives the caller exactly the printed rights, and the account the boundary, if the stack has roles. Whoever may make
/// policies does that, and not the caller. Returns the policies of `up`.
pub async fn give(gateway: &Gateway, file: &str, env: &str) -> Vec<Value> {
    let printed = printed(gateway, file, env, &[]).await;
    if let Some(name) = printed["permissions_boundary_name"].as_str() {
        gateway.free();
        let iam = context(gateway.url(), "bench", Artefacts::default()).await.iam;
        let call = iam.create_policy().policy_name(name).policy_document(printed["permissions_boundary"].to_string());
        call.send().await.expect("a policy");
    }
    let policies = printed["policies"].as_array().expect("documents").clone();
    gateway.rights(&policies);
    policies
}

pub async fn printed(gateway: &Gateway, file: &str, env: &str, part: &[&str]) -> Value {
    let output = run(gateway.url(), &[&["policy", file, "--env", env], part].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Checks what was asked about the recorded calls by AWS's reference: the evaluator must not be milder than IAM.
pub fn asked_by_the_reference(record: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../.emulators/linter/bin/python");
    let checked = Command::new(python).arg(root.join("gateway/check_asks.py")).arg(record).output();
    let checked = checked.expect("python runs: run provisioner/gateway/install.sh first");
    assert!(checked.status.success(), "{}", said(&checked));
}

/// Checks that no call was refused because of the rights, and that there were calls to judge.
pub fn were_enough(gateway: &Gateway) {
    assert!(gateway.judged() > 30, "{} calls were judged", gateway.judged());
    let refused = gateway.refusals().into_iter().filter(|refusal| refusal.rule == "rights");
    let told: Vec<String> = refused.map(|refusal| format!("{}: {}", refusal.action, refusal.message)).collect();
    assert!(told.is_empty(), "the printed rights lack:\n{}", told.join("\n"));
}
