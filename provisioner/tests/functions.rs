//! The commands for a stack of functions, on both bases: the probe, the migration of a schema, and calling a function again
//! with what it failed at.
//! The gateway answers each call of a function (the gap `calls`), and this test writes the log lines.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use gateway::{Base, Gateway, Options};
use provision::aws::Cx;
use provision::image::artefacts::Artefacts;
use serde_json::{Value, json};
use support::binary::{NOWHERE, command, path, run, said, stack};
use support::recorded::valid;
use support::rights;

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    whole(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    whole(Base::Ministack).await;
}

async fn whole(base: Base) {
    let record = tempfile::NamedTempFile::new().expect("a temporary file");
    let options = Options { base, scale: support::SCALE, record: Some(record.path().to_owned()), ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let (url, file) = (gateway.url(), stack("msa-study"));
    let of_up = rights::give(&gateway, path(&file), "dev").await;
    let up = run(url, &["up", path(&file), "--env", "dev", "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let cx = support::context_in(url, "ap-northeast-2", "msa", Artefacts::default()).await;

    // Who plays the functions has rights beside those that are printed.
    gateway.free();
    let ear = cx.sqs.create_queue().queue_name("ear").send().await.expect("made").queue_url.expect("a URL");
    let topic = cx.scope.arn("sns", "msa-dev-order-topic");
    let call = cx.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(cx.scope.arn("sqs", "ear"));
    call.send().await.expect("subscribed");
    let of_functions = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"], "Resource": cx.scope.arn("sqs", "ear")},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
    ]});
    gateway.rights(&[&of_up[..], &[of_functions]].concat());
    let front = front();
    let probe = ["probe", path(&file), "--env", "dev", "--url", &front];
    let (passed, ()) = tokio::join!(probed(url, &probe), by_hand(&cx, &ear, &GROUPS));
    assert_eq!(passed.status.code(), Some(0), "{}", said(&passed));
    let hops: Vec<String> = String::from_utf8_lossy(&passed.stdout)
        .lines()
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(hops[..3], ["factory: ok", "shop: ok", "order-topic: ok"]);
    assert_eq!(hops.len(), 6, "{hops:?}");

    // A function that does not count the event is named.
    let json = [&probe[..], &["--json"]].concat();
    let (late, ()) = tokio::join!(probed(url, &json), by_hand(&cx, &ear, &GROUPS[..2]));
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&late.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let failed = lines.iter().find(|line| line["status"] == "failed").expect("a hop");
    assert_eq!((&failed["hop"], &lines.last().unwrap()["passed"]), (&json!("delivery"), &json!(false)));
    assert!(failed["message"].as_str().unwrap().contains("has not counted the event in time"));

    gateway.rights(&of_up);
    migrated(&gateway, &cx, path(&file)).await;
    gateway.rights(&of_up);
    redriven(&gateway, &cx, path(&file)).await;
    rights::were_enough(&gateway);
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    valid(record.path());
    gateway.stop().await;
}

const GROUPS: [&str; 3] = ["order", "factory", "delivery"];

/// Runs the probe in a slower time, in which somebody can play the functions.
async fn probed(url: &str, arguments: &[&str]) -> Output {
    let output = command(url, arguments).env("PROVISION_TIME_SCALE", "6").output();
    tokio::time::timeout(Duration::from_secs(120), output).await.expect("ends in time").expect("the binary runs")
}

/// Plays the functions: takes the event of a probe out of a queue of its own, and writes the lines of those that count
/// it. The mapping of an emulator takes it out of the stack's queue.
async fn by_hand(cx: &Cx, ear: &str, functions: &[&str]) {
    let begun = Instant::now();
    let name = loop {
        let answer = cx.sqs.receive_message().queue_url(ear).send().await.expect("an answer");
        if let Some(message) = answer.messages().first() {
            let handle = message.receipt_handle().expect("a handle");
            cx.sqs.delete_message().queue_url(ear).receipt_handle(handle).send().await.expect("deleted");
            let told: Value = serde_json::from_str(message.body().expect("a body")).expect("JSON");
            break told["MessageAttributes"]["Probe"]["Value"].as_str().expect("a mark").to_owned();
        }
        // The output of the probe itself is more helpful.
        if begun.elapsed() > Duration::from_secs(30) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(name.starts_with("probe-") && name.len() == 22, "{name}");
    for function in functions {
        let group = format!("/msa-dev/{function}");
        cx.logs.create_log_stream().log_group_name(&group).log_stream_name(&name).send().await.expect("a stream");
        let line = json!({"level": "info", "event": "probe.seen", "probe": name}).to_string();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
        let event = InputLogEvent::builder().timestamp(now as i64).message(line).build().expect("whole");
        let call = cx.logs.put_log_events().log_group_name(&group).log_stream_name(&name).log_events(event);
        call.send().await.expect("a line");
    }
}

/// A schema is brought up to date again if nothing says that this code did it, in this database and with this password.
/// Functions that come after a migration that fails are left as they are.
async fn migrated(gateway: &Gateway, cx: &Cx, file: &str) {
    let arn = cx.scope.arn("lambda", "function:msa-dev-item-migrate");
    let tag = || async {
        let tags = cx.lambda.list_tags().resource(&arn).send().await.expect("there").tags;
        tags.and_then(|mut tags| tags.remove("provision:migrated"))
    };
    let before = tag().await.expect("a tag");
    let words: Vec<&str> = before.split(' ').collect();
    assert!(words.len() == 3 && words[1].starts_with("db-"), "{before}");
    let earlier = before.replace(words[1], "db-EARLIER");
    let plan = async || run(gateway.url(), &["plan", file, "--env", "dev", "--exit-code"]).await;
    let up = async || run(gateway.url(), &["up", file, "--env", "dev", "--yes"]).await;
    gateway.free();
    cx.lambda.tag_resource().resource(&arn).tags("provision:migrated", &earlier).send().await.expect("by hand");
    gateway.fail("lambda.call", "*-migrate");
    let seen = plan().await;
    assert_eq!(seen.status.code(), Some(2), "{}", said(&seen));
    assert!(said(&seen).contains("lambda.migration item-migrate"), "{}", said(&seen));
    let failed = up().await;
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    let told = said(&failed);
    assert!(
        told.contains("was not brought up to date: failed on order") && told.contains(r#""event":"failed""#),
        "{told}"
    );
    assert!(!told.contains("REPORT"), "{told}");
    assert_eq!(tag().await, Some(earlier));
    gateway.heal();
    gateway.clear_calls();
    let done = up().await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert_eq!(gateway.calls().iter().filter(|call| call.action == "Invoke").count(), 1);
    assert_eq!(tag().await, Some(before));
    assert_eq!(plan().await.status.code(), Some(0));
}

async fn redriven(gateway: &Gateway, cx: &Cx, file: &str) {
    let redrive = async |arguments: &[&str]| {
        run(gateway.url(), &[&["redrive", file, "shop-outbox", "--env", "dev"], arguments].concat()).await
    };
    let empty = redrive(&[]).await;
    assert!(said(&empty).contains("there is no event to call `shop-outbox` again with"), "{}", said(&empty));
    let call = cx.sqs.get_queue_url().queue_name("msa-dev-shop-outbox-failed").send().await.expect("the queue");
    let queue = call.queue_url.expect("a URL");
    for number in 0..12 {
        let record = json!({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {"number": number}});
        cx.sqs.send_message().queue_url(&queue).message_body(record.to_string()).send().await.expect("sent");
    }
    gateway.fail("lambda.call", "*-shop-outbox");
    let failed = redrive(&["--yes"]).await;
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("failed at 12 again, the last time: failed on order"), "{}", said(&failed));
    gateway.heal();
    let unasked = redrive(&[]).await;
    assert_eq!(unasked.status.code(), Some(64), "there is nobody to ask: {}", said(&unasked));
    gateway.clear_calls();
    let done = redrive(&["--yes", "--json"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let told: Value = serde_json::from_slice(&done.stdout).expect("one object");
    assert_eq!((&told["handled"], &told["failed"], &told["function"]), (&json!(12), &json!(0), &json!("shop-outbox")));
    assert_eq!(gateway.calls().iter().filter(|call| call.action == "Invoke").count(), 12);
    let empty = redrive(&["--yes"]).await;
    assert!(said(&empty).contains("there is no event to call"), "{}", said(&empty));
}

#[tokio::test]
async fn what_has_no_failed_events_is_64() {
    let file = stack("msa-study");
    for (name, hint) in [
        ("order", "its messages are those of its queue: `redrive … order-queue`"),
        ("shop", "whoever sends it a request gets the failure"),
        ("shop-outbox-failed", "name the function that gets the events again: `shop-outbox`"),
    ] {
        let output = run(NOWHERE, &["redrive", path(&file), name, "--env", "dev", "--yes"]).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(said(&output).contains(hint), "{}", said(&output));
    }
}

/// A front that answers every request.
fn front() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]");
        }
    });
    address
}
