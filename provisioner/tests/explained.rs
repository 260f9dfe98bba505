//! The screen after a failure: one cause, its evidence, the steps that it stopped, and nothing that was not asked for.

mod support;

use std::process::Output;

use gateway::{Base, Effect, Gateway, Options, Rule, Script};
use serde_json::Value;
use support::binary::{path, run, said, stack};

async fn start() -> Gateway {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first")
}

async fn up(gateway: &Gateway, name: &str, arguments: &[&str]) -> Output {
    let file = stack(name);
    run(gateway.url(), &[&["up", path(&file), "--env", "dev", "--yes"], arguments].concat()).await
}

/// The output from the first error on, without texts that differ from run to run.
fn screen(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    let mut clean = String::new();
    for word in lines.join("\n").split_inclusive([' ', '\n']) {
        let bare = word.trim_end().trim_end_matches(['.', ')', ':', ',']);
        let id = bare.rsplit(['/', '#']).next().unwrap_or(bare);
        let drawn = id.len() >= 19 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        clean.push_str(&if drawn { word.replace(id, "ID") } else { word.to_owned() });
    }
    assert!(clean.lines().count() <= 40, "one screen: {clean}");
    clean
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_by_itself() {
    let gateway = start().await;
    gateway.fail("ecs.service", "*-greeter");
    let lines =
        [r#"{"level":"info","message":"starting"}"#, r#"{"level":"error","message":"DATABASE_HOST is not set"}"#];
    let script = Script {
        family: "*-greeter".into(),
        exit_code: 78,
        lines: lines.map(str::to_owned).into(),
        ..Script::default()
    };
    gateway.scripts(vec![script.clone()]);
    let first = up(&gateway, "hello", &[]).await;
    assert_eq!(first.status.code(), Some(1), "{}", said(&first));
    insta::assert_snapshot!("service_ended", screen(&first));
    let pull = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found";
    gateway.scripts(vec![Script { never_starts: Some(pull.to_owned()), ..script }]);
    let second = up(&gateway, "hello", &["--json"]).await;
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    let report: Value = serde_json::from_slice(&second.stdout).expect("JSON");
    let failed = report["outcomes"].as_array().expect("outcomes").iter().find(|one| one["result"] == "failed");
    assert_eq!(failed.expect("a failure")["cause"], format!("the image cannot be pulled: {pull}"));
    gateway.stop().await;
}

/// The service runs, with its old tasks. For `up` that is still a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_rolled_back() {
    let gateway = start().await;
    let text = std::fs::read_to_string(stack("hello")).expect("a stack");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hello.yaml");
    let run_up = async |text: &str| {
        std::fs::write(&file, text).expect("written");
        run(gateway.url(), &["up", path(&file), "--env", "dev", "--yes"]).await
    };
    let up = run_up(&text).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    gateway.fail("ecs.service", "*-greeter");
    let changed = text.replace("role: hello", "role: hello\n    env: {COLOUR: red}");
    assert_ne!(changed, text);
    let up = run_up(&changed).await;
    assert_eq!(up.status.code(), Some(1), "{}", said(&up));
    let told = screen(&up);
    assert!(told.contains("rolling back to deployment") && told.contains("  cause: the container"), "{told}");
    gateway.heal();
    assert_eq!(run_up(&changed).await.status.code(), Some(0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_caches_and_domains() {
    let gateway = start().await;
    for kind in ["rds.instance", "elasticache.replication_group", "opensearch.domain", "lambda.function"] {
        gateway.fail(kind, "*");
    }
    let output = up(&gateway, "sendy", &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    insta::assert_snapshot!("data_failed", screen(&output));
    gateway.stop().await;
}

/// EC2 encodes the reason of a refusal. Six subnets that may not be made have one reason.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_decoded_and_told_once() {
    let gateway = start().await;
    gateway.deny(&["ec2:CreateSubnet"]);
    let output = up(&gateway, "hello", &["--no-preflight"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    insta::assert_snapshot!("denied", screen(&output));
    gateway.deny(&["ec2:CreateSubnet", "sts:DecodeAuthorizationMessage"]);
    let output = up(&gateway, "hello", &["--no-preflight"]).await;
    assert!(screen(&output).contains("reading it takes `sts:DecodeAuthorizationMessage`"), "{}", said(&output));
    assert!(!said(&output).contains("Encoded authorization"), "{}", said(&output));
    gateway.stop().await;
}

/// If evidence cannot be read, there is a remark beside the failure.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_cannot_be_read() {
    let gateway = start().await;
    gateway.fail("ecs.service", "*-greeter");
    gateway.deny(&["ecs:ListTasks", "logs:GetLogEvents"]);
    let output = up(&gateway, "hello", &["--no-preflight"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = screen(&output);
    assert_eq!(told.matches("error: ").count(), 1, "{told}");
    assert!(told.contains("  stopped tasks could not be read: AccessDeniedException"), "{told}");
    assert!(told.contains("deployment failed"), "{told}");
    gateway.stop().await;
}

/// A CI job that is cancelled gets a second signal 7.5 s after the first, and is killed 2.5 s later.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_waits_for_nothing() {
    let gateway = start().await;
    let hang = Rule { action: Some("CreateTopic".into()), effect: Effect::Hang { ms: 60_000 }, ..Rule::default() };
    gateway.rules(vec![hang]).expect("a rule");
    let bell = stack("bell");
    let child =
        support::binary::command(gateway.url(), &["up", path(&bell), "--yes"]).spawn().expect("the binary runs");
    let called = async || {
        while !gateway.calls().iter().any(|call| call.action == "CreateTopic") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), called()).await.expect("it begins");
    let pid = child.id().expect("it runs").to_string();
    let signal = |name: &str| std::process::Command::new("kill").args([name, &pid]).status().expect("kill").success();
    assert!(signal("-INT"));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(signal("-TERM"), "it still waits for the call");
    let told = std::time::Instant::now();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.expect("ends in time").expect("it can be waited for");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(told.elapsed() < std::time::Duration::from_millis(2400), "{:?}", told.elapsed());
    assert!(said(&output).contains("calls in flight were not waited for"), "{}", said(&output));
    // The lease was given back, so another host has nothing to wait for.
    gateway.rules(Vec::new()).expect("no rules");
    let again = run(gateway.url(), &["up", path(&bell), "--yes"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(
        said(&again).contains("the last run was cut off") && !said(&again).contains("taking over"),
        "{}",
        said(&again)
    );
    gateway.stop().await;
}
