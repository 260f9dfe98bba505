//! The way of a record to its points: from the stream of the table to the topic, from there into the database and to a
//! channel. Everything is real, except Lambda and Discord.

mod support;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::engines::pause;
use support::lambda::{Source, call, queue_event};
use support::mrmrthon::{Mrmrthon, message, record, stream_event, topic_event};
use support::{server, until};

const SECRET: &str = "hunter2";

/// What a channel has got, and the statuses with header lines and bodies that it answers with in turn, the last one again and
/// again. A status of 0 is no answer.
type Got = Arc<Mutex<Vec<Value>>>;

fn channel(answers: &'static [(u16, &'static str, &'static str)]) -> (String, Got) {
    let got = Got::default();
    let seen = Arc::clone(&got);
    let address = server(move |request| {
        assert!(request.line.starts_with(&format!("POST /api/webhooks/1/{SECRET} ")), "{}", request.line);
        let at = {
            let mut seen = seen.lock().unwrap();
            seen.push(serde_json::from_slice(&request.body).unwrap());
            seen.len() - 1
        };
        let (status, headers, body) = answers[at.min(answers.len() - 1)];
        if status == 0 {
            std::thread::sleep(support::DEADLINE);
        }
        (status, headers.to_owned(), body.to_owned())
    });
    (format!("http://{address}/api/webhooks/1/{SECRET}"), got)
}

fn credit(record: u64, user: u64) -> Value {
    json!({ "user_id": user, "marathon_id": 1, "marathon_point": 20, "record_id": record })
}

fn marked() -> Value {
    json!({ "Probe": { "Type": "String", "Value": "probe-1" } })
}

fn failed(answer: &Value) -> Vec<&str> {
    answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_become_points_once_each() {
    let stack = Mrmrthon::new().await;
    let (user, main) = (stack.user(&[]), stack.main(&[]));
    let (organizer_id, organizer) = user.member(1, "organizer");
    let (runner, _) = user.member(0, "runner");
    let ask = |method: &str, path: &str, body: &str| main.ask(method, path, Some(&organizer), body).status;
    assert_eq!(ask("POST", "/marathon/add", "{\"id\":1,\"title\":\"서울하프\",\"point\":20}"), 200);
    assert_eq!(ask("POST", "/marathon/add", "{\"id\":2,\"title\":\"서울풀\",\"point\":42}"), 200);
    let official = stack.function("official-record", &[]);
    let increase = stack.function("point-increase", &[]);
    let _stream = stack.stream(&official);
    // Every fifth message that was handled comes again.
    let _source = Source::start(stack.aws, &stack.queue("api-queue"), &increase, Some(5));

    // Two records of one race are two credits.
    for (id, marathon) in [(1, 1), (2, 1), (3, 2)] {
        let body = json!({ "id": id, "user_id": runner, "marathon_id": marathon, "record": 3.25 });
        assert_eq!(ask("POST", "/official_record", &body.to_string()), 200);
    }
    let total = |wanted: u64| {
        until(&format!("a total of {wanted}"), || {
            let total = main.get(&format!("/point/total_point/{runner}"), None).json();
            (total[0]["total_point"] == wanted).then_some(())
        });
    };
    total(82);
    let points = main.get(&format!("/point/{runner}"), None).json();
    assert_eq!(points.as_array().unwrap().len(), 3);
    assert_eq!(points[0], json!({ "user_id": runner, "point": 20, "marathon_id": 1 }));
    // What is changed or deleted changes no points.
    assert_eq!(ask("PUT", "/official_record/1", "{\"record\":3.5}"), 200);
    assert_eq!(ask("DELETE", "/official_record/2", ""), 200);
    // An id is credited once for ever.
    let again = json!({ "id": 2, "user_id": runner, "marathon_id": 2 }).to_string();
    assert_eq!(ask("POST", "/official_record", &again), 200);

    // Many at once, for two users.
    std::thread::scope(|scope| {
        for part in 0..4_u64 {
            let (main, organizer) = (main.door, organizer.as_str());
            scope.spawn(move || {
                for id in (100 + part * 50)..(150 + part * 50) {
                    let who = if id % 2 == 0 { runner } else { organizer_id };
                    let body = json!({ "id": id, "user_id": who, "marathon_id": 1 }).to_string();
                    assert_eq!(main.ask("POST", "/official_record", Some(organizer), &body).status, 200);
                }
            });
        }
    });
    // Each function is killed while it is at it, a few times.
    for _ in 0..3 {
        pause(200).await;
        official.kill();
        increase.kill();
    }
    total(82 + 100 * 20);
    until("all to be credited", || (stack.depth("api-queue") == 0).then_some(()));
    let sums: Vec<(u64, i64, i64)> = stack
        .rows(
            "SELECT users.id, total_point, CAST(SUM(point) AS SIGNED) FROM runners.users \
             JOIN runners.points ON points.user_id = users.id GROUP BY users.id, total_point ORDER BY users.id",
        )
        .await;
    assert_eq!(sums, [(organizer_id, 2000, 2000), (runner, 2082, 2082)]);
    assert_eq!(stack.maria.number("SELECT COUNT(*) FROM runners.points").await, 203);
    assert_eq!(stack.depth("api-dlq"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_new_records_are_told_and_one_that_cannot_be_is_alone() {
    let stack = Mrmrthon::new().await;
    let official = stack.function("official-record", &[]);
    for (id, more) in
        [("1", json!({ "point": { "N": "20" } })), ("2", json!({})), ("3", json!({ "point": { "S": "x" } }))]
    {
        let mut item = json!({ "id": { "N": id } });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stack.table("PutItem", &json!({ "TableName": "marathon-dev-marathons", "Item": item }));
    }
    let of = |record: u64, marathon: u64| json!({ "id": record, "user_id": 7, "marathon_id": marathon });
    let told = || -> Vec<Value> {
        let asked = json!({ "QueueUrl": stack.queue("api-queue"), "MaxNumberOfMessages": 10 });
        let mut all = Vec::new();
        loop {
            let received = call(stack.aws, "ReceiveMessage", &asked).unwrap();
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in messages {
                let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                assert!(body["MessageAttributes"]["traceparent"]["Value"].is_string(), "{body}");
                all.push(serde_json::from_str(body["Message"].as_str().unwrap()).unwrap());
                let receipt =
                    json!({ "QueueUrl": stack.queue("api-queue"), "ReceiptHandle": message["ReceiptHandle"] });
                call(stack.aws, "DeleteMessage", &receipt);
            }
        }
    };
    let changed = [record(1, "MODIFY", &of(1, 1)), record(2, "REMOVE", &of(2, 1))];
    assert_eq!(failed(&official.invoke(&stream_event(&changed)).unwrap()), [""; 0]);
    assert!(told().is_empty());

    // A batch of 25, with a marathon that is worth nothing, one that is gone, and one that is worth a word.
    let records: Vec<Value> = (0..25)
        .map(|at| {
            let marathon = match at {
                8 => 2,
                13 => 99,
                21 => 3,
                _ => 1,
            };
            record(100 + at, "INSERT", &of(at, marathon))
        })
        .collect();
    assert_eq!(failed(&official.invoke(&stream_event(&records)).unwrap()), ["108"]);
    let mut messages = told();
    messages.sort_by_key(|message| message["record_id"].as_u64());
    let expected: Vec<Value> = (0..25)
        .filter(|at| ![8, 13, 21].contains(at))
        .map(|at| json!({ "user_id": 7, "marathon_id": 1, "marathon_point": 20, "record_id": at }))
        .collect();
    assert_eq!(messages, expected);
    let lines = official.lines();
    let said: Vec<&str> = lines
        .iter()
        .filter(|line| line["event"] == "change.failed")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        said,
        [
            "the marathon 2 of the record 8 has no points",
            "the marathon 99 of the record 13 has no points",
            "the marathon 3 of the record 21 has no points"
        ]
    );

    // Without its table or its topic nothing is told for done.
    let away = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")];
    let lost = stack.function("official-record", &away);
    assert_eq!(failed(&lost.invoke(&stream_event(&records[..3])).unwrap()), ["100"]);
    let mute = stack.function("official-record", &[("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:1")]);
    assert_eq!(failed(&mute.invoke(&stream_event(&records[1..3])).unwrap()), ["101"]);
    assert!(told().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_messages_the_bad_one_fails_alone() {
    let mut stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let (runner, _) = user.member(0, "runner");
    let increase = stack.function("point-increase", &[]);
    let invoke = |messages: &[Value]| increase.invoke(&queue_event(messages)).unwrap();
    let none = json!({});
    let mut batch: Vec<Value> = (0..100).map(|at| message(&format!("m{at}"), &credit(at, runner), &none)).collect();
    batch[17] = message("m17", &credit(17, 999), &none);
    batch[42] = message("m42", &json!("no credit"), &none);
    batch[63] =
        message("m63", &json!({ "user_id": runner, "marathon_id": 1, "marathon_point": 20, "record_id": 62 }), &none);
    assert_eq!(failed(&invoke(&batch)), ["m17", "m42"]);
    let total = "SELECT total_point FROM runners.users WHERE login_id = 'runner'";
    assert_eq!(stack.maria.number(total).await, 97 * 20);
    // The same batch again, and at the same time.
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(failed(&invoke(&batch)), ["m17", "m42"]));
        }
    });
    assert_eq!(stack.maria.number(total).await, 97 * 20);
    assert_eq!(stack.maria.number("SELECT COUNT(*) FROM runners.points").await, 97);

    // A message of a publisher that names no record counts by its own id.
    let old = json!({ "user_id": runner, "marathon_id": 2, "marathon_point": 10 });
    let pair = [message("a", &old, &none), message("a", &old, &none), message("b", &old, &none)];
    assert_eq!(failed(&invoke(&pair)), [""; 0]);
    assert_eq!(stack.maria.number(total).await, 97 * 20 + 2 * 10);

    // Two batches with the same users the other way round wait for each other, and nothing more.
    let (other, _) = user.member(0, "other");
    let forth: Vec<Value> = (0..40)
        .map(|at| message(&format!("f{at}"), &credit(1000 + at, [runner, other][at as usize % 2]), &none))
        .collect();
    let mut back: Vec<Value> = (0..40)
        .map(|at| message(&format!("g{at}"), &credit(2000 + at, [other, runner][at as usize % 2]), &none))
        .collect();
    back.reverse();
    std::thread::scope(|scope| {
        for batch in [&forth, &back, &forth, &back] {
            scope.spawn(|| assert_eq!(failed(&invoke(batch)), [""; 0]));
        }
    });
    assert_eq!(stack.maria.number(total).await, 97 * 20 + 20 + 40 * 20);

    // A probe is counted, and changes nothing.
    assert_eq!(failed(&invoke(&[message("p", &json!({}), &marked())])), [""; 0]);
    assert_eq!(stack.maria.number("SELECT COUNT(*) FROM runners.points").await, 97 + 2 + 80);
    let lines = increase.lines();
    assert!(lines.iter().any(|line| line["event"] == "probe.seen" && line["probe"] == "probe-1"), "{lines:#?}");

    // While the database is away everything comes again, ends in the dead-letter queue, and is credited from there once.
    stack.maria.engine.kill();
    assert_eq!(failed(&invoke(&batch[..2])), ["m0", "m1"]);
    let publish = stack.function("official-record", &[]);
    let item = json!({ "id": { "N": "1" }, "point": { "N": "20" } });
    stack.table("PutItem", &json!({ "TableName": "marathon-dev-marathons", "Item": item }));
    let new = record(1, "INSERT", &json!({ "id": 5000, "user_id": runner, "marathon_id": 1 }));
    assert_eq!(failed(&publish.invoke(&stream_event(&[new])).unwrap()), [""; 0]);
    let source = Source::start(stack.aws, &stack.queue("api-queue"), &increase, None);
    until("the message to be a dead letter", || (stack.depth("api-dlq") == 1).then_some(()));
    stack.maria.engine.start();
    assert_eq!(stack.redrive("api-dlq"), 1);
    until("the message to be done", || (stack.depth("api-queue") + stack.depth("api-dlq") == 0).then_some(()));
    drop(source);
    assert_eq!(stack.maria.number(total).await, 97 * 20 + 20 + 40 * 20 + 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_told_of_each_credit_and_again_until_it_answers() {
    let stack = Mrmrthon::new().await;
    let none = json!({});
    let webhook = |url: &str| stack.function("webhook", &[("DISCORD_WEBHOOK_URL", url)]);
    let told = |got: &Got| got.lock().unwrap().len();
    let text = json!({ "content": "포인트 적립! user_id : 7, marathon_id : 1, point : 20" });

    // Twice the same, and the same record under another message: it is told once.
    let (url, got) = channel(&[(204, "", "")]);
    let first = webhook(&url);
    for id in ["m1", "m1", "m2"] {
        assert_eq!(first.invoke(&topic_event(&credit(1, 7), id, &none)), Ok(Value::Null));
    }
    assert_eq!(*got.lock().unwrap(), vec![text.clone(); 1]);
    // Messages without a record count by their own ids.
    let old = json!({ "user_id": 7, "marathon_id": 1, "marathon_point": 20 });
    for id in ["m3", "m3", "m4"] {
        assert_eq!(first.invoke(&topic_event(&old, id, &none)), Ok(Value::Null));
    }
    assert_eq!(told(&got), 3);
    // A probe tells nobody.
    assert_eq!(first.invoke(&topic_event(&json!({}), "m5", &marked())), Ok(Value::Null));
    assert_eq!(told(&got), 3);
    assert!(first.lines().iter().any(|line| line["event"] == "probe.seen"));
    assert!(first.invoke(&topic_event(&json!("no credit"), "m6", &none)).is_err());
    let note = stack.table(
        "GetItem",
        &json!({ "TableName": "marathon-dev-announcements", "Key": { "id": { "N": "1" } }, "ConsistentRead": true }),
    );
    assert_eq!(note["Item"]["state"], json!({ "S": "told" }));
    assert!(note["Item"]["expires"]["N"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);

    // Too many requests, in each way that it can be said, and failures of the channel.
    let (url, got) = channel(&[
        (429, "", "{\"message\":\"You are being rate limited.\",\"retry_after\":0.2,\"global\":false}"),
        (429, "retry-after: 0.1\r\n", ""),
        (500, "", "oops"),
        (0, "", ""),
        (204, "", ""),
    ]);
    let patient = webhook(&url);
    assert_eq!(patient.invoke(&topic_event(&credit(2, 7), "m7", &none)), Ok(Value::Null));
    assert_eq!(*got.lock().unwrap(), vec![text.clone(); 5]);

    // A channel that refuses is not asked again. The event fails, and another try of it is one more request.
    let (url, got) = channel(&[(404, "", ""), (204, "", "")]);
    let refused = webhook(&url);
    let event = topic_event(&credit(3, 7), "m8", &none);
    assert!(refused.invoke(&event).is_err());
    assert_eq!(told(&got), 1);
    assert_eq!((refused.invoke(&event), told(&got)), (Ok(Value::Null), 2));

    // One that wants more time than there is fails at once.
    let (url, got) = channel(&[(429, "", "{\"retry_after\":3600}")]);
    let late = webhook(&url);
    assert!(late.invoke(&topic_event(&credit(4, 7), "m9", &none)).is_err());
    assert_eq!(told(&got), 1);
    // So does one that cannot be reached, when its time is over.
    let away = webhook("http://127.0.0.1:1/api/webhooks/1/hunter2");
    assert!(away.invoke(&topic_event(&credit(5, 7), "m10", &none)).is_err());

    // Without an address nobody is told, and nothing fails.
    let silent = webhook("");
    assert_eq!(silent.invoke(&topic_event(&credit(6, 7), "m11", &none)), Ok(Value::Null));

    for function in [&first, &patient, &refused, &late, &away, &silent] {
        let lines = function.lines();
        assert!(lines.iter().all(|line| !line.to_string().contains(SECRET)), "{lines:#?}");
    }
}

/// A process that is killed between its note and the answer of the channel has told nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_while_telling_is_followed_by_the_next_try() {
    let stack = Mrmrthon::new().await;
    let none = json!({});
    let (url, got) = channel(&[(0, "", ""), (204, "", "")]);
    let webhook = stack.function("webhook", &[("DISCORD_WEBHOOK_URL", &url)]);
    let event = topic_event(&credit(1, 7), "m1", &none);
    std::thread::scope(|scope| {
        let killed = scope.spawn(|| webhook.invoke(&event));
        until("the request", || (got.lock().unwrap().len() == 1).then_some(()));
        webhook.kill();
        assert!(killed.join().unwrap().is_err());
    });
    // Another message about the record leaves it to this one, which tells it.
    assert_eq!(webhook.invoke(&topic_event(&credit(1, 7), "m2", &none)), Ok(Value::Null));
    pause(50).await;
    assert_eq!(got.lock().unwrap().len(), 1);
    assert_eq!(webhook.invoke(&event), Ok(Value::Null));
    assert_eq!(got.lock().unwrap().len(), 2);
    assert_eq!(webhook.invoke(&event), Ok(Value::Null));
    assert_eq!(got.lock().unwrap().len(), 2);
}
