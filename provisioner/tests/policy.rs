//! What `provision policy` prints: as it is for the smallest stack, and by an independent linter for all of them.

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

#[tokio::test]
async fn no_findings() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["bell", "hello", "sendy"] {
        let file = stack(name);
        // The longest name that a stack may have with `-dev` behind it.
        let longest = format!("stack: {name:x<14}");
        let long = std::fs::read_to_string(&file).expect("a stack").replacen(&format!("stack: {name}"), &longest, 1);
        let folder = tempfile::tempdir().expect("a folder");
        let long_file = folder.path().join("long.yaml");
        std::fs::write(&long_file, long).expect("written");
        for file in [&file, &long_file] {
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
