//! No secret is in anything that a run leaves behind: output at its most talkative, files, arguments, tags, requests to
//! services that do not need it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway::{Base, Gateway, Options};
use provision::image::artefacts::Artefacts;
use serde_json::Value;
use support::binary::{command, said, stack};

/// The actions whose requests may have a password: those of the keeper, and those of the engines that have it set.
const TOLD: [&str; 6] = [
    "CreateSecret",
    "PutSecretValue",
    "CreateDBInstance",
    "ModifyDBInstance",
    "CreateReplicationGroup",
    "ModifyReplicationGroup",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_any_secret_is_left_anywhere() {
    let (record, folder) = (tempfile::NamedTempFile::new().expect("a file"), tempfile::tempdir().expect("a folder"));
    let options = Options {
        base: Base::Ministack,
        scale: support::SCALE,
        record: Some(record.path().to_owned()),
        ..Options::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let sendy = stack("sendy");
    let file = sendy.to_str().expect("UTF-8");

    let mut produced: BTreeMap<String, String> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for words in [
        vec!["up", file, "--yes", "-v"],
        vec!["up", file, "--yes", "--json", "-v"],
        vec!["plan", file, "--json", "-v"],
        vec!["status", file, "--json", "-v"],
        vec!["outputs", file, "--format", "env", "-v"],
        vec!["logs", file, "-v"],
        vec!["down", file, "--yes", "--keep-data", "-v"],
    ] {
        let output = trace(&gateway, &words, folder.path(), &mut produced).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        produced.insert(format!("output of {}", words[0]), said(&output));
        // A new secret is hidden for a while.
        all.extend(secrets(&gateway).await);
    }
    files(folder.path(), &mut produced);
    for line in std::fs::read_to_string(record.path()).expect("the recording").lines() {
        let call: Value = serde_json::from_str(line).expect("JSON lines");
        let action = call["action"].as_str().unwrap_or_default();
        if !TOLD.contains(&action) {
            let body = BASE64_STANDARD.decode(call["body_b64"].as_str().unwrap_or_default()).unwrap_or_default();
            let said = format!("{} {} {}", call["target"], call["headers"], String::from_utf8_lossy(&body));
            produced.entry(format!("requests {action}")).or_default().push_str(&said);
        }
    }

    assert!(all.len() >= 3, "the owner's, the services' and the cache's: {}", all.len());
    assert!(produced.len() > 60, "enough was looked at: {:?}", produced.keys());
    for (place, text) in &produced {
        for secret in &all {
            assert!(!text.contains(secret.as_str()), "a secret is in: {place}");
        }
    }
    gateway.stop().await;
}

/// Runs a command with every kind of output on and all its files in one folder. Notes its arguments and limits
/// meanwhile.
async fn trace(
    gateway: &Gateway,
    words: &[&str],
    folder: &Path,
    produced: &mut BTreeMap<String, String>,
) -> std::process::Output {
    let mut command = command(gateway.url(), words);
    command.args(["--env", "dev"]).current_dir(folder);
    command.env("TMPDIR", folder).env("HOME", folder).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let child = command.spawn().expect("the binary runs");
    let process = format!("/proc/{}", child.id().expect("it has just been started"));
    // The limits that the program sets for itself come a moment after its start.
    for _ in 0..100 {
        let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap_or_default();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
        if core.split_whitespace().filter(|word| *word == "0").count() == 2 {
            produced.insert("no core file".into(), core.into());
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(produced.contains_key("no core file"), "a crash would leave a core file");
    for kind in ["cmdline", "environ"] {
        let text = std::fs::read(format!("{process}/{kind}")).unwrap_or_default();
        produced.insert(format!("{kind} of {}", words[0]), String::from_utf8_lossy(&text).into_owned());
    }
    let output = tokio::time::timeout(std::time::Duration::from_secs(180), child.wait_with_output()).await;
    output.expect("ends in time").expect("it can be waited for")
}

fn files(folder: &Path, produced: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, produced),
            false => {
                let text = std::fs::read(&path).unwrap_or_default();
                produced.insert(path.display().to_string(), String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
}

/// The passwords and tokens themselves, as Secrets Manager has them.
async fn secrets(gateway: &Gateway) -> Vec<String> {
    let cx = support::context_in(gateway.url(), "ap-northeast-2", "sendy", Artefacts::default()).await;
    let listed = cx.secrets.list_secrets().send().await.expect("listed").secret_list.unwrap_or_default();
    let mut found = Vec::new();
    for secret in listed {
        let value = cx.secrets.get_secret_value().secret_id(secret.arn().expect("an ARN")).send().await.expect("read");
        let text = value.secret_string().unwrap_or_default();
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => {
                let hidden = fields.iter().filter(|(name, _)| *name != "username");
                found.extend(hidden.filter_map(|(_, value)| value.as_str()).map(str::to_owned));
            }
            _ => found.push(text.to_owned()),
        }
    }
    assert!(found.iter().all(|secret| secret.len() >= 12), "too short to be looked for");
    found
}
