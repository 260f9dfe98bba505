//! Text from outside is never a command to the terminal: stack files, words of the command line, the errors of AWS, log
//! lines, names and tags that others chose.

mod support;

use std::process::{Command, Output, Stdio};

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use gateway::{Base, Effect, Gateway, Options, Rule};
use serde_json::{Value, json};
use support::binary::{NOWHERE, path, run, said, stack, written};

/// It clears the screen in two ways, sets the title, turns the order of the words, and looks like an error of ours.
const FOREIGN: &str = "a\x1b[2J\u{9b}2J\x1b]0;title\x07\u{202e}b\u{2066}\u{200f}\u{7f}\r\nerror: forged";
/// The same on one line.
const SHOWN: &str = r"a\u001b[2J\u009b2J\u001b]0;title\u0007\u202eb\u2066\u200f\u007f\r\nerror: forged";

/// The text of both outputs, which has no character that a terminal obeys.
fn plain(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()));
    let text = format!("{}{}", stdout.expect("UTF-8"), stderr.expect("UTF-8"));
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
    };
    assert!(!text.contains(acts), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text}");
    text
}

async fn start() -> Gateway {
    let options = Options { base: Base::Moto, scale: support::SCALE, mutate: false, ..Options::default() };
    Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first")
}

#[tokio::test]
async fn a_stack_file_and_the_command_line() {
    let file = written("stack: bell\n\"que\u{202e}ues\": {}\ntags: {\"a\u{2066}\": \"b\u{200f}\", c: \"\\e[2J\\r\"}\n");
    let told = plain(&run(NOWHERE, &["check", path(&file)]).await);
    assert!(told.contains(r"`que\u202eues` is not known"), "{told}");
    plain(&run(NOWHERE, &["check", path(&file), "--json"]).await);
    let tagged = written("stack: bell\nregion: eu-west-1\ntopics: {rings: {}}\ntags: {c: \"d\u{202e}\"}\n");
    for words in [
        &["plan", "--offline"][..],
        &["plan", "--offline", "--json"],
        &["plan", "--offline", "--format", "markdown"],
        &["graph"],
        &["export", "cloudformation"],
        &["policy"],
        &["check"],
    ] {
        plain(&run(NOWHERE, &[words, &[path(&tagged)]].concat()).await);
    }
    let word = FOREIGN.split('\r').next().expect("its first line");
    for words in [
        &["check", FOREIGN][..],
        &[word],
        &["check", word, word],
        &["plan", path(&tagged), "--offline", "--only", FOREIGN],
    ] {
        let output = run(NOWHERE, words).await;
        assert_ne!(output.status.code(), Some(0));
        plain(&output);
    }
}

#[tokio::test]
async fn an_exported_template_keeps_its_texts() {
    let text = "stack: bell\nregion: eu-west-1\nnetwork: {}\nservices:\n  site: {image: 'nginx:1', port: 8080, env: {A: \"x\u{202e}y\"}}\n";
    let file = written(text);
    for words in [&["export", "cloudformation"][..], &["export", "cloudformation", "--json"]] {
        let told = plain(&run(NOWHERE, &[words, &[path(&file)]].concat()).await);
        assert!(told.contains(r#""x\u202ey""#), "{told}");
    }
}

/// Our own colours stay. `script` of util-linux makes a terminal.
#[test]
fn a_terminal_gets_our_colours_and_no_others() {
    let mut asking = Command::new("script");
    let file = "/nonexistent/\x1b[31m\u{9b}2J";
    asking.arg("-qec").arg(format!("'{}' check '{file}'", env!("CARGO_BIN_EXE_provision"))).arg("/dev/null");
    let output = asking.env_remove("NO_COLOR").stdin(Stdio::null()).output().expect("script runs");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let expected = "\x1b[31merror\x1b[0m: reading /nonexistent/\\u001b[31m\\u009b2J: No such file or directory";
    assert!(told.starts_with(expected), "{told:?}");
    assert_eq!(told.matches('\x1b').count(), 2, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_says() {
    let gateway = start().await;
    let file = stack("bell");
    let error = Effect::Error { status: 400, code: "InvalidParameterValue".into(), message: FOREIGN.into() };
    let rule = |action: &str| Rule { action: Some(action.into()), effect: error.clone(), ..Rule::default() };
    gateway.rules(vec![rule("GetQueueUrl"), rule("ListQueues"), rule("GetQueueAttributes")]).expect("rules");
    let told = plain(&run(gateway.url(), &["plan", path(&file)]).await);
    assert!(told.contains(r"a\u001b[2J\u009b2J"), "{told}");
    gateway.rules(vec![rule("CreateQueue")]).expect("a rule");
    let output = run(gateway.url(), &["up", path(&file), "--yes", "--no-preflight"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = plain(&output);
    assert!(told.contains(SHOWN), "progress: {told}");
    assert!(told.contains("  | error: forged"), "the error: {told}");
    let output = run(gateway.url(), &["up", path(&file), "--yes", "--no-preflight", "--json"]).await;
    plain(&output);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let failed = report["outcomes"].as_array().expect("outcomes").iter().find_map(|one| one["error"].as_str());
    assert!(failed.expect("a failure").contains(FOREIGN), "a program gets the text itself: {report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_tags_and_states_of_live_resources() {
    let gateway = start().await;
    let file = stack("bell");
    let up = run(gateway.url(), &["up", path(&file), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("s.json");
    let status = run(gateway.url(), &["status", path(&file), "--snapshot", path(&kept)]).await;
    assert_eq!(status.status.code(), Some(0), "{}", said(&status));
    gateway.stop().await;
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&kept).expect("written")).expect("JSON") };
    let mut snapshot = read();
    for live in snapshot["snapshot"]["live"].as_array_mut().expect("what is live") {
        live["id"] = json!(FOREIGN);
        if live["tags"].is_object() {
            live["tags"]["team"] = json!(FOREIGN);
        }
        live["state"]
            .as_object_mut()
            .expect("a state")
            .values_mut()
            .filter(|value| value.is_string())
            .for_each(|value| *value = json!(FOREIGN));
        (live["status"], live["word"]) = (json!("busy"), json!(FOREIGN));
    }
    std::fs::write(&kept, snapshot.to_string()).expect("written");
    for format in [&["--format", "text"][..], &["--format", "markdown"], &["--json"]] {
        let words = [&["plan", path(&file), "--snapshot", path(&kept)], format].concat();
        let output = run(NOWHERE, &words).await;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told = plain(&output);
        assert!(told.contains("u001b"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_of_services() {
    let gateway = start().await;
    let hello = stack("hello");
    let offline = run(NOWHERE, &["plan", path(&hello), "--env", "dev", "--offline", "--json"]).await;
    let plan: Value = serde_json::from_slice(&offline.stdout).expect("JSON");
    let group = plan["steps"].as_array().expect("steps").iter().find(|step| step["kind"] == "logs.log_group");
    let group = group.expect("a log group")["want"]["path"].as_str().expect("its path").to_owned();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(gateway.url())
        .region(aws_config::Region::new(plan["region"].as_str().expect("a region").to_owned()))
        .credentials_provider(aws_credential_types::Credentials::for_tests())
        .load()
        .await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    logs.create_log_group().log_group_name(&group).send().await.expect("a group");
    logs.create_log_stream().log_group_name(&group).log_stream_name("s").send().await.expect("a stream");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let event = InputLogEvent::builder().timestamp(now as i64).message(FOREIGN).build().expect("an event");
    logs.put_log_events().log_group_name(&group).log_stream_name("s").log_events(event).send().await.expect("a line");
    let show =
        async |more: &[&str]| run(gateway.url(), &[&["logs", path(&hello), "--env", "dev"], more].concat()).await;
    let output = show(&[]).await;
    let (told, first) = (plain(&output), SHOWN.split_once(r"\r\n").expect("two lines").0);
    let lines: Vec<&str> = told.lines().collect();
    let [one, other] = lines[..] else { panic!("{told}") };
    let from = one.strip_suffix(first).expect("the first line of the event");
    assert_eq!(other, format!("{from}error: forged"), "each line says where it is from");
    let output = show(&["--json"]).await;
    plain(&output);
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(line["message"], FOREIGN, "a program gets the line itself");
    gateway.stop().await;
}
