//! The output of `provision policy`: as it is for the smallest stack, and by an independent linter for all stacks.

mod support;

use std::process::Command;

use support::binary::{run, said, stack};

#[tokio::test]
async fn of_the_smallest_stack() {
    let bell = stack("bell");
    let output = run("http://127.0.0.1:1", &["policy", bell.to_str().expect("UTF-8"), "--env", "dev"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!("policy_of_bell", String::from_utf8_lossy(&output.stdout));
}

/// If a stack names a boundary, the policy allows to give rights only to roles within it, and never to take it away.
#[tokio::test]
async fn of_a_stack_with_a_boundary() {
    let hello = std::fs::read_to_string(stack("hello")).expect("a stack");
    let said_of_boundaries = async |line: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hello.yaml");
        std::fs::write(&file, format!("{hello}\n{line}\n")).expect("written");
        let output = run("http://127.0.0.1:1", &["policy", file.to_str().expect("UTF-8"), "--env", "dev"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let documents = printed["policies"].as_array().expect("documents").iter();
        let statements = documents.flat_map(|document| document["Statement"].as_array().expect("statements"));
        let about = |statement: &&serde_json::Value| statement["Action"].to_string().contains("Boundary");
        statements.filter(about).cloned().collect::<Vec<_>>()
    };
    assert_eq!(said_of_boundaries("").await, [serde_json::Value::Null; 0]);
    insta::assert_json_snapshot!(said_of_boundaries("permissions_boundary: bounds").await);
    let free = said_of_boundaries("permissions_boundary: none").await;
    let free = free.iter().map(|statement| statement["Action"].to_string()).collect::<String>();
    assert!(free.contains("iam:DeleteRolePermissionsBoundary") && !free.contains("iam:PutRolePermissions"), "{free}");
}

#[tokio::test]
async fn no_findings() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["bell", "hello", "sendy"] {
        let file = stack(name);
        // This is the longest name that a stack may have with `-dev` behind it.
        let longest = format!("stack: {name:x<14}");
        let long = std::fs::read_to_string(&file).expect("a stack").replacen(&format!("stack: {name}"), &longest, 1);
        let folder = tempfile::tempdir().expect("a folder");
        let long_file = folder.path().join("long.yaml");
        std::fs::write(&long_file, &long).expect("written");
        let bounded_file = folder.path().join("bounded.yaml");
        std::fs::write(&bounded_file, format!("{long}\npermissions_boundary: team/bounds\n")).expect("written");
        for file in [&file, &long_file, &bounded_file] {
            let file = file.to_str().expect("UTF-8");
            let output = run("http://127.0.0.1:1", &["policy", file, "--env", "dev"]).await;
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let printed = folder.path().join("policy.json");
            std::fs::write(&printed, &output.stdout).expect("written");
            let linted = Command::new(root.join("../.emulators/linter/bin/python"))
                .arg(root.join("gateway/lint_policy.py"))
                .arg(&printed)
                .output()
                .expect("python runs: run provisioner/gateway/install.sh first");
            assert!(linted.status.success(), "{file}: {}", said(&linted));
        }
    }
}
