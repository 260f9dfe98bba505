//! What brings events to functions: queues, schedules, topics, and the queue for events that failed.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local::functions::config::Source;
use local::messaging::{self, Config, FunctionSubscription};
use local::supervisor::protocol::State;
use serde_json::{Value, json};
use support::function::Function;
use support::messages::{Messages, queues};
use support::{MINUTE, Stack, kill, until};

const DEAD: &str = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:work-dead","maxReceiveCount":3}"#;

fn work(messages: &Messages) -> Source {
    let arn = "arn:aws:sqs:us-east-1:000000000000:work".to_owned();
    Source::Queue { url: messages.url("work"), arn, batch: 10, window_ms: 0, most: None, partial: true }
}

/// The bodies of all messages that the function has seen, each as often as it was seen.
fn bodies(function: &Function) -> Vec<String> {
    let records =
        function.seen().into_iter().flat_map(|event| event["Records"].as_array().cloned().unwrap_or_default());
    records.map(|record| record["body"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn messages_are_handled_and_those_that_fail_come_again_until_they_are_dead() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config {
        queues: queues(&[("work", &[("VisibilityTimeout", "1"), ("RedrivePolicy", DEAD)]), ("work-dead", &[])]),
        ..Config::default()
    };
    let mut function = Function::new(&stack, "order");
    function.config.sources = vec![work(&messages)];
    stack.up_whole(&[messages.part(&config), function.part("order")]);
    messages.send("work", "hello 부산");
    until("the message", || messages.is_empty("work").then_some(()));
    let event = function.seen().remove(0);
    let record = &event["Records"][0];
    assert_eq!((event["Records"].as_array().unwrap().len(), &record["body"]), (1, &json!("hello 부산")));
    let fields: BTreeSet<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let recorded = [
        "attributes",
        "awsRegion",
        "body",
        "eventSource",
        "eventSourceARN",
        "md5OfBody",
        "messageAttributes",
        "messageId",
        "receiptHandle",
    ];
    assert_eq!(fields, recorded.into_iter().collect());
    let of_message: BTreeSet<&str> = record["attributes"].as_object().unwrap().keys().map(String::as_str).collect();
    let recorded = ["ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp"];
    assert_eq!(of_message, recorded.into_iter().collect());
    assert_eq!(record["awsRegion"], "us-east-1");

    // One of three fails alone. The others are not seen again.
    for body in ["a", "fail", "b"] {
        messages.send("work", body);
    }
    until("the dead letter", || (messages.depth("work-dead").visible == 1).then_some(()));
    let seen = bodies(&function);
    let count = |body: &str| seen.iter().filter(|seen| *seen == body).count();
    assert_eq!((count("a"), count("b"), count("fail")), (1, 1, 3));
    let counts: Vec<Value> =
        function.seen().iter().flat_map(|event| event["Records"].as_array().unwrap().clone()).collect();
    let counts = counts.iter().filter(|record| record["body"] == "fail");
    let counts: Vec<&str> = counts.map(|it| it["attributes"]["ApproximateReceiveCount"].as_str().unwrap()).collect();
    assert_eq!(counts, ["1", "2", "3"]);
    assert!(messages.is_empty("work"));
    assert_eq!(function.counts().errors, 0, "a function that says what failed has not failed");
}

#[test]
fn a_function_that_fails_has_handled_nothing() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config { queues: queues(&[("work", &[("VisibilityTimeout", "1")])]), ..Config::default() };
    let mut function = Function::new(&stack, "order");
    function.config.sources = vec![work(&messages)];
    function.config.timeout_ms = 300;
    let file = stack.directory.path().join("gone");
    stack.up_whole(&[messages.part(&config), function.part("order")]);
    messages.send("work", &format!("until {}", file.display()));
    until("a time limit", || (function.counts().errors >= 1).then_some(()));
    assert!(!messages.is_empty("work"));
    std::fs::write(&file, "").unwrap();
    until("the message", || messages.is_empty("work").then_some(()));
    assert!(bodies(&function).len() >= 2);
}

#[test]
fn a_window_collects_and_the_maximum_concurrency_holds() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config { queues: queues(&[("work", &[])]), ..Config::default() };
    let mut function = Function::new(&stack, "order");
    function.config.sources = vec![Source::Queue {
        url: messages.url("work"),
        arn: "arn:aws:sqs:us-east-1:000000000000:work".into(),
        batch: 25,
        window_ms: 1500,
        most: Some(2),
        partial: false,
    }];
    stack.up_whole(&[messages.part(&config), function.part("order")]);
    let begin = Instant::now();
    (0..20).for_each(|at| messages.send("work", &at.to_string()));
    until("all", || messages.is_empty("work").then_some(()));
    assert!(begin.elapsed() >= Duration::from_millis(1400), "{:?}", begin.elapsed());
    let sizes: Vec<usize> = function.seen().iter().map(|event| event["Records"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [20]);

    let file = stack.directory.path().join("go");
    (0..100).for_each(|_| messages.send("work", &format!("until {}", file.display())));
    until("two at a time", || (function.counts().busy == 2).then_some(()));
    // A message is not received before there is room for it.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((messages.depth("work").in_flight, function.counts().busy, function.counts().waiting), (50, 2, 0));
    std::fs::write(&file, "").unwrap();
    until("all", || messages.is_empty("work").then_some(()));
}

#[test]
fn no_message_is_lost_whatever_is_killed() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config { queues: queues(&[("work", &[("VisibilityTimeout", "2")])]), ..Config::default() };
    let mut function = Function::new(&stack, "order");
    function.config.sources = vec![work(&messages)];
    let parts = [messages.part(&config), function.part("order")];
    stack.up_whole(&parts);
    for at in 0..60 {
        messages.send("work", &format!("{at} nothing"));
        match at {
            20 => kill(stack.pid("order") as i32),
            40 => {
                kill(stack.pid("messaging") as i32);
                until("the server again", || messaging::depths(messages.port).ok());
            }
            _ => {}
        }
    }
    until("all", || messages.is_empty("work").then_some(()));
    let seen: BTreeSet<String> = bodies(&function).into_iter().collect();
    assert_eq!(seen.len(), 60);
}

#[test]
fn a_held_function_leaves_its_messages_in_the_queue() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config { queues: queues(&[("work", &[])]), ..Config::default() };
    let mut function = Function::new(&stack, "order");
    function.config.sources = vec![work(&messages)];
    stack.up_whole(&[messages.part(&config), function.part("order")]);
    stack.client().hold("order", MINUTE).unwrap();
    messages.send("work", "a");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(messages.depth("work").visible, 1);
    stack.client().resume("order").unwrap();
    until("the message", || messages.is_empty("work").then_some(()));
}

#[test]
fn what_failed_each_time_goes_to_its_queue_once_that_is_there() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let config = Config { queues: queues(&[("order-failed", &[])]), ..Config::default() };
    let mut function = Function::new(&stack, "order");
    function.config.asynchronous.failed_queue = Some(messages.url("order-failed"));
    let part = function.part("order");
    stack.up_whole(std::slice::from_ref(&part));
    function.hand_over(&json!({ "do": "fail", "이름": "부산" }));
    until("three tries", || (function.counts().errors == 3).then_some(()));
    // The queue is not there yet. The event waits, also over a kill.
    kill(stack.pid("order") as i32);
    stack.up_whole(&[part, messages.part(&config)]);
    until("the message", || (messages.depth("order-failed").visible == 1).then_some(()));
    let body = messages.receive("order-failed")[0]["Body"].as_str().unwrap().to_owned();
    let mut record: Value = serde_json::from_str(&body).unwrap();
    let (timestamp, id) = (record["timestamp"].take(), record["requestContext"]["requestId"].take());
    assert_eq!((timestamp.as_str().unwrap().len(), id.as_str().unwrap().len()), (24, 36));
    // The record in AWS's guide.
    let recorded = json!({
        "version": "1.0",
        "timestamp": null,
        "requestContext": {
            "requestId": null,
            "functionArn": "arn:aws:lambda:eu-west-1:000000000000:function:bell-dev-order:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": { "do": "fail", "이름": "부산" },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": { "errorType": "Error", "errorMessage": "told to fail", "stackTrace": [] },
    });
    assert_eq!(record, recorded);
    until("nothing more", || (function.counts().accepted == 0).then_some(()));
}

#[test]
fn a_schedule_comes_again_and_again() {
    let stack = Stack::new();
    let mut function = Function::new(&stack, "sweep");
    let arn = "arn:aws:events:eu-west-1:000000000000:rule/bell-dev-sweep".to_owned();
    function.config.sources = vec![Source::Schedule { arn: arn.clone(), every_ms: 400 }];
    let begin = Instant::now();
    stack.up_whole(&[function.part("sweep")]);
    until("three times", || (function.seen().len() >= 3).then_some(()));
    assert!(begin.elapsed() >= Duration::from_millis(1100), "{:?}", begin.elapsed());
    let event = function.seen().remove(0);
    assert_eq!((&event["source"], &event["resources"]), (&json!("aws.events"), &json!([arn])));

    // The time that has passed meanwhile brings one event, at once.
    stack.client().hold("sweep", MINUTE).unwrap();
    let before = function.seen().len();
    std::thread::sleep(Duration::from_millis(1500));
    stack.client().resume("sweep").unwrap();
    until("the function again", || (stack.status("sweep").state == State::Ready).then_some(()));
    let after = until("the event", || Some(function.seen().len()).filter(|seen| *seen > before));
    assert!(after <= before + 2, "{before} {after}");
}

#[test]
fn a_topic_hands_its_messages_to_the_functions_that_take_them() {
    let stack = Stack::new();
    let messages = Messages::new(&stack);
    let (all, some) = (Function::new(&stack, "all"), Function::new(&stack, "some"));
    let subscription = |function: &Function, attributes: &[(&str, &str)]| FunctionSubscription {
        topic: "orders".into(),
        function: function.config.name.clone(),
        port: function.port,
        attributes: attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    };
    let filter = [("FilterPolicy", r#"{"kind":["paid"]}"#)];
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:all-failed"}"#;
    let config = Config {
        queues: queues(&[("all-failed", &[])]),
        topics: [("orders".to_owned(), messaging::Attributes::new())].into(),
        functions: vec![subscription(&all, &[("RedrivePolicy", redrive)]), subscription(&some, &filter)],
        ..Config::default()
    };
    // The functions come later. What was published before is not lost, also if the server is killed.
    let server = messages.part(&config);
    stack.up_whole(std::slice::from_ref(&server));
    let id = messages.publish("orders", "first 부산", &[("kind", "open")]);
    messages.publish("orders", "second", &[("kind", "paid")]);
    kill(stack.pid("messaging") as i32);
    let parts = [server, all.part("all"), some.part("some")];
    until("the server again", || messaging::depths(messages.port).ok());
    stack.up_whole(&parts);
    until("both messages", || (all.seen().len() == 2 && some.seen().len() == 1).then_some(()));
    let events = all.seen();
    let record = &events[0]["Records"][0];
    assert_eq!((&record["EventSource"], &record["EventVersion"]), (&json!("aws:sns"), &json!("1.0")));
    assert_eq!((&record["Sns"]["Message"], &record["Sns"]["MessageId"]), (&json!("first 부산"), &json!(id)));
    assert_eq!(record["Sns"]["MessageAttributes"], json!({ "kind": { "Type": "String", "Value": "open" } }));
    assert_eq!(some.seen()[0]["Records"][0]["Sns"]["Message"], "second");
    let declared = messaging::declared(messages.port).unwrap().unwrap().declared;
    assert_eq!(declared.functions, config.functions);

    // A function that is held holds up no other, and gets its messages later.
    stack.client().hold("some", MINUTE).unwrap();
    (0..5).for_each(|at| drop(messages.publish("orders", &at.to_string(), &[("kind", "paid")])));
    until("those of the other", || (all.seen().len() == 7).then_some(()));
    assert_eq!(some.seen().len(), 1);
    stack.client().resume("some").unwrap();
    until("its own", || (some.seen().len() == 6).then_some(()));
    let texts: BTreeSet<String> =
        all.seen()[2..].iter().map(|event| event["Records"][0]["Sns"]["Message"].to_string()).collect();
    assert_eq!(texts.len(), 5, "{texts:?}");

    // An event that is too large for a function goes to the dead-letter queue of its subscription, and the next ones
    // follow. A control character is six times as long in JSON.
    messages.publish("orders", &"\u{1}".repeat(200_000), &[]);
    messages.publish("orders", "small", &[]);
    until("the next message", || (all.seen().len() == 8).then_some(()));
    let dead = messages.receive("all-failed");
    assert!(dead.len() == 1 && dead[0]["Body"].as_str().unwrap().starts_with("{\"Records\":["));

    let mut wrong = config.clone();
    wrong.functions[1].attributes = [("RawMessageDelivery".to_owned(), "true".to_owned())].into();
    wrong.functions[0].topic = "nobody".into();
    let refused = messaging::declare(messages.port, &wrong).unwrap_err().to_string();
    assert!(refused.contains("there is no topic nobody") && refused.contains("not for functions"), "{refused}");
}
