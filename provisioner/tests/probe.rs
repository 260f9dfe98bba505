//! `provision probe` of Sendy. Emulators run no tasks, so the gateway plays the probe's task (its gap `one-off-tasks`).
//! Its log has the lines that the runtime's own tests see.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use gateway::{Base, Effect, Gateway, Options, Rule, Script};
use serde_json::{Value, json};
use support::binary::{NOWHERE, command, path, run, said, stack};
use support::recorded::valid;
use support::rights;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::test]
async fn a_stack_that_cannot_be_probed_is_64() {
    let sendy = std::fs::read_to_string(stack("sendy")).expect("a stack");
    let hello = std::fs::read_to_string(stack("hello")).expect("a stack");
    let certificate = "arn:aws:acm:ap-northeast-2:123456789012:certificate/c";
    let secured = format!("{sendy}\nnetwork:\n  certificate: {certificate}\n");
    let closed: String =
        sendy.lines().filter(|line| !line.trim().starts_with("http:")).map(|line| format!("{line}\n")).collect();
    let twice = sendy.replace("  lookup:\n    role: lookup\n", "  lookup:\n    role: reservation\n");
    let twice = twice.replace("uses: [reservations, lookups]\n", "uses: [reservations, lookups, events]\n");
    let mut all = String::new();
    for text in [hello, secured, closed, twice] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stack.yaml");
        std::fs::write(&file, text).expect("written");
        let output = run(NOWHERE, &["probe", path(&file), "--env", "dev"]).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        all.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    insta::assert_snapshot!(all, @r"
    error: no service has the role `reservation`, in whose place the probe runs
      hint: the probe sends an event that nobody applies, and follows it to the database, the queue and the log
    error: the load balancer has a certificate, which is not for its own name
      hint: give the address that the certificate is for: --url https://…, or `network.domain`
    error: no service is behind the load balancer, so the probe has no way in
      hint: give the services `http:`, as `services.reservation.http`
    error: several services have the role `reservation`: lookup, reservation
      hint: the probe runs in the place of the only one: give them stack files of their own
    ");
    for url in ["ftp://a", "https://", "http://a/b", "example.com"] {
        let output = run(NOWHERE, &["probe", path(&stack("sendy")), "--env", "dev", "--url", url]).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto, "dev").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack, "prod").await;
}

async fn whole(base: Base, env: &str) {
    let record = tempfile::NamedTempFile::new().expect("a temporary file");
    let options = Options { base, scale: support::SCALE, record: Some(record.path().to_owned()), ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, file) = (gateway.url(), stack("sendy"));
    let probe = async |arguments: &[&str]| run(url, &[&["probe", path(&file), "--env", env], arguments].concat()).await;
    let missing = probe(&[]).await;
    assert_eq!(missing.status.code(), Some(1), "{}", said(&missing));
    assert!(said(&missing).contains("error: ecs.service reservation is not there"), "{}", said(&missing));
    rights::give(&gateway, path(&file), env).await;
    let up = run(url, &["up", path(&file), "--env", env, "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));

    let script = Script { family: "*-reservation".into(), ..Script::default() };
    gateway.scripts(vec![Script { lines: walked(None), ..script.clone() }]);
    gateway.clear_calls();
    let passed = probe(&[]).await;
    assert_eq!(passed.status.code(), Some(0), "{}", said(&passed));
    insta::assert_snapshot!("passed", String::from_utf8_lossy(&passed.stdout));
    assert!(said(&passed).contains("passed: 7 hops ok in 3.2 s"), "{}", said(&passed));
    let calls = gateway.calls();
    assert_eq!(
        calls.iter().filter(|call| call.write).map(|call| call.action.as_str()).collect::<Vec<_>>(),
        ["RunTask"]
    );
    started(record.path(), url, env);

    // Programs get the runtime's own lines, and one of ours. An answer that is lost does not make two tasks.
    let lost = Rule { action: Some("RunTask".into()), effect: Effect::ResetAfter, max: Some(1), ..Rule::default() };
    gateway.rules(vec![lost]).expect("good rules");
    let passed = probe(&["--json"]).await;
    assert_eq!(passed.status.code(), Some(0), "{}", said(&passed));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&passed.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ended = lines.last().expect("lines");
    assert_eq!(
        (lines.len(), &ended["event"], &ended["passed"], &ended["exit_code"]),
        (9, &json!("probe.ended"), &json!(true), &json!(0))
    );
    gateway.rules(Vec::new()).expect("none");
    valid(record.path());
    if env == "dev" {
        what_goes_wrong(&gateway, env, &script).await;
    }
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    gateway.stop().await;
}

async fn what_goes_wrong(gateway: &Gateway, env: &str, script: &Script) {
    let file = stack("sendy");
    let probe = async || run(gateway.url(), &["probe", path(&file), "--env", env]).await;
    let failed = Script { lines: walked(Some("notification")), exit_code: 1, ..script.clone() };
    gateway.scripts(vec![failed]);
    snapshot("failed", &probe().await, 1);
    let unpulled = "CannotPullContainerError: pull image manifest has been retried 5 time(s): image not found";
    gateway.scripts(vec![Script { never_starts: Some(unpulled.to_owned()), ..script.clone() }]);
    snapshot("never_started", &probe().await, 1);
    gateway.scripts(vec![Script { lines: vec!["no JSON".into()], ..script.clone() }]);
    snapshot("silent", &probe().await, 1);
    gateway.scripts(vec![Script { runs: 1_000_000, ..script.clone() }]);
    snapshot("late", &probe().await, 1);
    interrupted(gateway, env).await;
}

/// Ctrl-C stops the task.
async fn interrupted(gateway: &Gateway, env: &str) {
    gateway.clear_calls();
    let file = stack("sendy");
    let mut child = command(gateway.url(), &["probe", path(&file), "--env", env]).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (mut text, pid) = (String::new(), child.id().expect("it runs").to_string());
    while let Some(line) = lines.next_line().await.expect("text") {
        if line.contains("is RUNNING") {
            let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
            assert!(sent.success());
        }
        text.push_str(&line);
        text.push('\n');
    }
    assert_eq!(child.wait().await.expect("it ends").code(), Some(130), "{text}");
    assert!(text.contains("the task was stopped"), "{text}");
    assert_eq!(gateway.calls().iter().filter(|call| call.action == "StopTask").count(), 1);
}

/// The lines of a probe, up to the hop that fails.
fn walked(failed: Option<&str>) -> Vec<String> {
    let line = |event: &str, fields: Value| {
        let mut line =
            json!({"timestamp": "2026-11-21T12:00:00Z", "level": "info", "event": event, "service": "probe"});
        line.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        line.to_string()
    };
    let mut lines = Vec::new();
    for (n, name) in
        ["reservation", "primary", "replica", "notification", "lookup miss", "lookup hit", "log"].iter().enumerate()
    {
        let milliseconds = 12.5 * (n as f64 + 1.0);
        if failed == Some(name) {
            let message = "GET /notifications/probes answered 404 Not Found";
            lines.push(line(
                "probe.hop",
                json!({"hop": name, "status": "failed", "milliseconds": milliseconds, "message": message}),
            ));
            break;
        }
        lines.push(line("probe.hop", json!({"hop": name, "status": "ok", "milliseconds": milliseconds})));
    }
    lines.push(match failed {
        Some(name) => line("failed", json!({"message": format!("the hop `{name}`")})),
        None => line("probe.passed", json!({"milliseconds": 3234.5})),
    });
    lines
}

/// Checks the request of RunTask: the place of the service, and the variables that the probe needs.
fn started(record: &Path, url: &str, env: &str) {
    let recorded = std::fs::read_to_string(record).expect("recorded");
    let calls: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let asked = calls.iter().find(|call| call["action"] == "RunTask").expect("it was called");
    let mut body = body(asked);
    let service = calls.iter().map(|call| (call, self::body(call)));
    let (_, service) = service
        .filter(|(call, _)| call["action"] == "CreateService")
        .find(|(_, body)| body["serviceName"].as_str().is_some_and(|name| name.ends_with("-reservation")))
        .expect("the service was made");
    assert_eq!(body["networkConfiguration"], service["networkConfiguration"]);
    assert!(body["clientToken"].as_str().is_some_and(|token| token.len() == 32));
    for name in ["networkConfiguration", "clientToken"] {
        body.as_object_mut().expect("an object").remove(name);
    }
    let environment = body["overrides"]["containerOverrides"][0]["environment"].as_array_mut().expect("variables");
    for variable in environment {
        let text = variable["value"].as_str().unwrap_or_default().replace(url, "[url]");
        // The emulators have names of their own.
        variable["value"] = match variable["name"].as_str() {
            Some("PROBE_URL") => {
                text.split('.').next().unwrap_or_default().split('-').take(2).collect::<Vec<_>>().join("-").into()
            }
            Some("SEARCH_ENDPOINT") => (!text.is_empty()).into(),
            _ => text.into(),
        };
    }
    // It is the second revision if the replica's address came after the service was made, and the first if it came
    // before.
    let task = body["taskDefinition"].as_str().and_then(|arn| arn.rsplit_once(':')).expect("a revision");
    assert!(task.1.parse::<u32>().is_ok(), "{task:?}");
    body["taskDefinition"] = task.0.into();
    insta::assert_json_snapshot!(format!("asked_{env}"), body);
}

fn body(call: &Value) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(call["body_b64"].as_str().unwrap_or_default());
    serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
}

/// A snapshot of the output. The gateway makes ids of tasks, and chance decides how often a state was seen, so both are
/// replaced.
fn snapshot(name: &str, output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    let text = said(output);
    let words = |line: &str| {
        let id = |word: &str| word.len() >= 32 && word.chars().take(32).all(|c| c.is_ascii_hexdigit());
        let words = line.split(' ').map(|word| if id(word) { "[id]" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    let lines = text.lines().filter(|line| !line.starts_with("… ")).map(words);
    insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
}
