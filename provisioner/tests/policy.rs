//! The output of `provision policy`: as it is for the smallest stack, and by an independent linter for all stacks.

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::binary::{run, said, stack};

#[tokio::test]
async fn of_the_smallest_stack() {
    let bell = stack("bell");
    let output = run("http://127.0.0.1:1", &["policy", bell.to_str().expect("UTF-8"), "--env", "dev"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    insta::assert_snapshot!("policy_of_bell", String::from_utf8_lossy(&output.stdout));
}

/// Roles may be made, and given rights, only within a boundary: the stack's own, or the one that the stack file names.
/// The boundary may not be changed, and not be taken off a role. Only `none` frees the roles.
#[tokio::test]
async fn of_a_stack_with_roles() {
    let hello = std::fs::read_to_string(stack("hello")).expect("a stack");
    let said_of_boundaries = async |line: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hello.yaml");
        std::fs::write(&file, format!("{hello}\n{line}\n")).expect("written");
        let printed = printed(&file, &[]).await;
        let documents = printed["policies"].as_array().expect("documents").iter();
        let statements = documents.flat_map(|document| document["Statement"].as_array().expect("statements"));
        let words = ["Boundary", "CreateRole", "PutRolePolicy", "PolicyVersion"];
        let about = |statement: &&Value| words.iter().any(|word| statement["Action"].to_string().contains(word));
        statements.filter(about).cloned().collect::<Vec<_>>()
    };
    insta::assert_json_snapshot!("own_boundary", said_of_boundaries("").await);
    insta::assert_json_snapshot!("named_boundary", said_of_boundaries("permissions_boundary: bounds").await);
    let free = said_of_boundaries("permissions_boundary: none").await;
    let free = free.iter().map(|statement| statement["Action"].to_string()).collect::<String>();
    assert!(free.contains("iam:DeleteRolePermissionsBoundary") && !free.contains("iam:PutRolePermissions"), "{free}");
}

/// The boundary of a stack with everything: no action on what another stack has tagged, and no way to change itself.
#[tokio::test]
async fn the_boundary_alone() {
    let boundary = printed(&stack("sendy"), &["--boundary"]).await;
    insta::assert_json_snapshot!("boundary_of_sendy", boundary);
    let output = run("http://127.0.0.1:1", &["policy", stack("bell").to_str().expect("UTF-8"), "--boundary"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

/// The rights of `plan` are reads, and none of them reads data.
#[tokio::test]
async fn of_a_plan() {
    let printed = printed(&stack("sendy"), &["--plan"]).await;
    let mut actions: Vec<String> = Vec::new();
    for statement in
        printed["policies"].as_array().expect("documents").iter().flat_map(|one| one["Statement"].as_array()).flatten()
    {
        actions.extend(
            statement["Action"]
                .as_array()
                .expect("actions")
                .iter()
                .map(|action| action.as_str().expect("text").to_owned()),
        );
    }
    let data = [
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:GetRecords",
        "dynamodb:Query",
        "dynamodb:Scan",
        "ecr:GetDownloadUrlForLayer",
        "kms:Decrypt",
        "lambda:GetFunction",
        "lambda:GetLayerVersion",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "s3:",
        "secretsmanager:GetSecretValue",
        "sqs:ReceiveMessage",
    ];
    for action in &actions {
        let (_, name) = action.split_once(':').expect("service:action");
        let reads = ["Describe", "List", "Get", "GET", "BatchGet"].iter().any(|word| name.starts_with(word));
        assert!(reads, "{action} does not only read");
        assert!(
            !data.iter().any(|one| one == action || one.ends_with(':') && action.starts_with(one)),
            "{action} reads data"
        );
    }
    assert!(actions.len() > 80, "{actions:?}");
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
        let files = [&file, &long_file, &bounded_file].map(|file| [(file, ""), (file, "--plan"), (file, "--adopt")]);
        for (file, part) in files.into_iter().flatten() {
            let document = printed(file, if part.is_empty() { &[] } else { std::slice::from_ref(&part) }).await;
            let file = file.display();
            let printed = folder.path().join("policy.json");
            std::fs::write(&printed, document.to_string()).expect("written");
            let linted = Command::new(root.join("../.emulators/linter/bin/python"))
                .arg(root.join("gateway/lint_policy.py"))
                .arg(&printed)
                .output()
                .expect("python runs: run provisioner/gateway/install.sh first");
            assert!(linted.status.success(), "{file} {part}: {}", said(&linted));
        }
    }
}

async fn printed(file: &Path, part: &[&str]) -> Value {
    let file = file.to_str().expect("UTF-8");
    let output = run("http://127.0.0.1:1", &[&["policy", file, "--env", "dev"], part].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
