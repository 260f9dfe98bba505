//! `provision redrive` against the emulators. Neither moves messages: the gateway does that in their place (its gap
//! `message-moves`).

mod support;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use gateway::{Base, Effect, Gateway, Options, Rule};
use provision::image::artefacts::Artefacts;
use support::binary::{NOWHERE, command, path, run, said, stack};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::test]
async fn what_is_no_queue_with_dead_letters_is_64() {
    let (bell, sendy) = (stack("bell"), stack("sendy"));
    let mut all = String::new();
    for (file, queue) in [
        (&bell, "answer"),
        (&bell, "rings"),
        (&bell, "answers-dead-letter"),
        (&bell, "forwarder-failed"),
        (&sendy, "forwarder-failed"),
    ] {
        let output = run(NOWHERE, &["redrive", path(file), queue, "--env", "dev", "--yes"]).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(output.stdout.is_empty(), "talk goes to stderr");
        all.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    insta::assert_snapshot!(all, @r"
    error: `answer` is not a queue of this stack
      hint: did you mean `answers`?
    error: `rings` is not a queue of this stack
      hint: there are: answers
    error: `answers-dead-letter` is not a queue of this stack
      hint: name the queue that gets the messages back: `answers`
    error: `forwarder-failed` is not a queue of this stack
      hint: there are: answers
    error: `forwarder-failed` is not the dead-letter queue of a queue
      hint: it holds what the log forwarder could not deliver, log events and whole invocations of the function: there is no queue to which they could go back
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack).await;
}

async fn whole(base: Base) {
    let options = Options { base, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, bell) = (gateway.url(), stack("bell"));
    let redrive =
        async |arguments: &[&str]| run(url, &[&["redrive", path(&bell), "answers"], arguments].concat()).await;
    let missing = redrive(&["--yes"]).await;
    assert_eq!(missing.status.code(), Some(1), "{}", said(&missing));
    assert!(said(&missing).contains("there is no queue `bell-dev-answers-dead-letter`"), "{}", said(&missing));

    let up = run(url, &["up", path(&bell), "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let sqs = support::context(url, "bell", Artefacts::default()).await.sqs;
    let empty = redrive(&[]).await;
    assert_eq!(empty.status.code(), Some(0), "nothing to move, nothing to ask: {}", said(&empty));
    assert!(said(&empty).contains("there is nothing to move back to `answers`"), "{}", said(&empty));

    send(&sqs, 25).await;
    let unasked = redrive(&[]).await;
    assert_eq!(unasked.status.code(), Some(64), "there is nobody to ask: {}", said(&unasked));
    gateway.clear_calls();
    let moved = redrive(&["--yes", "--json"]).await;
    assert_eq!(moved.status.code(), Some(0), "{}", said(&moved));
    assert!(said(&moved).contains("done: 25 messages went back to `answers`"), "{}", said(&moved));
    let mut document: serde_json::Value = serde_json::from_slice(&moved.stdout).expect("one object");
    assert!(document["seconds"].is_number());
    document["seconds"] = 0.into();
    insta::assert_json_snapshot!("moved", document);
    assert_eq!((waiting(&sqs, DEAD).await, waiting(&sqs, ALIVE).await), (0, 25));
    let starts = gateway.calls().iter().filter(|call| call.action == "StartMessageMoveTask").count();
    assert_eq!(starts, 1);

    // A second run joins the move that the first one began. If the answer to the start of a move is lost, the move is
    // not begun twice.
    send(&sqs, 3).await;
    let lost = |action: &str| Rule {
        action: Some(action.into()),
        effect: Effect::ResetAfter,
        max: Some(1),
        ..Rule::default()
    };
    gateway.rules(vec![lost("StartMessageMoveTask")]).expect("good rules");
    let again = redrive(&["--yes"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("done: 3 messages went back"), "{}", said(&again));

    send(&sqs, 1).await;
    gateway.fail("sqs.move", "bell-dev-answers-dead-letter");
    let failed = redrive(&["--yes"]).await;
    gateway.heal();
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(
        said(&failed).contains("error: the move ended as FAILED after 0 messages: AccessDenied"),
        "{}",
        said(&failed)
    );

    interrupted(&gateway, &sqs, &bell).await;

    // Only the tag says whose the queue is.
    let queue = sqs.get_queue_url().queue_name(ALIVE).send().await.expect("it is there").queue_url;
    sqs.untag_queue().set_queue_url(queue).tag_keys("provision:stack").send().await.expect("untagged");
    let foreign = redrive(&["--yes"]).await;
    assert_eq!(foreign.status.code(), Some(1), "{}", said(&foreign));
    assert!(said(&foreign).contains("`bell-dev-answers` exists, but this stack did not make it"), "{}", said(&foreign));
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    gateway.stop().await;
}

/// Ctrl-C cancels a move. The next run moves the rest.
async fn interrupted(gateway: &Gateway, sqs: &Client, bell: &Path) {
    send(sqs, 60).await;
    let all = waiting(sqs, DEAD).await + waiting(sqs, ALIVE).await;
    let slow = Effect::Latency { ms: 300 };
    gateway
        .rules(vec![Rule { action: Some("ListMessageMoveTasks".into()), effect: slow, ..Rule::default() }])
        .expect("good");
    let mut command = command(gateway.url(), &["redrive", path(bell), "answers", "--yes"]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut text = String::new();
    let pid = child.id().expect("it runs").to_string();
    while let Some(line) = lines.next_line().await.expect("text") {
        if line.contains("… moved 10 of") {
            let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
            assert!(sent.success());
        }
        text.push_str(&line);
        text.push('\n');
    }
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("in time").expect("it ends");
    assert_eq!(ended.code(), Some(130), "{text}");
    assert!(text.contains("cancelled: ") && text.contains("the others stay where they are"), "{text}");
    assert!(waiting(sqs, DEAD).await > 0, "{text}");
    gateway.rules(Vec::new()).expect("none");
    let rest: Output = run(gateway.url(), &["redrive", path(bell), "answers", "--yes"]).await;
    assert_eq!(rest.status.code(), Some(0), "{}", said(&rest));
    assert_eq!((waiting(sqs, DEAD).await, waiting(sqs, ALIVE).await), (0, all), "no message is lost or doubled");
}

const ALIVE: &str = "bell-dev-answers";
const DEAD: &str = "bell-dev-answers-dead-letter";

async fn send(sqs: &Client, count: usize) {
    let url = sqs.get_queue_url().queue_name(DEAD).send().await.expect("it is there").queue_url;
    for n in 0..count {
        let call = sqs.send_message().set_queue_url(url.clone()).message_body(format!("letter {n}"));
        call.send().await.expect("it is sent");
    }
}

async fn waiting(sqs: &Client, queue: &str) -> u64 {
    let url = sqs.get_queue_url().queue_name(queue).send().await.expect("it is there").queue_url;
    let count = Attribute::ApproximateNumberOfMessages;
    let answer = sqs.get_queue_attributes().set_queue_url(url).attribute_names(count.clone()).send().await;
    let attributes = answer.expect("counted").attributes.expect("attributes");
    attributes[&count].parse().expect("a number")
}
