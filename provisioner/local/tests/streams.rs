//! The stream of a table as a source of a function.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use local::functions::again::{self, Again};
use local::functions::config::{From, Source};
use local::messaging;
use local::tables::{self, Config, View};
use rusqlite::Connection;
use serde_json::{Value, json};
use support::function::{Function, free_port};
use support::messages::{Messages, queues};
use support::tables::{call, config, put, records, stream, table};
use support::{Stack, kill, program, until};

/// A stack with one table, `records`, and the queue `failed`.
struct Tables {
    stack: Stack,
    messages: Messages,
    port: u16,
    declared: Config,
}

impl Tables {
    fn new() -> Tables {
        let stack = Stack::new();
        let messages = Messages::new(&stack);
        Tables { stack, messages, port: free_port(), declared: config(&[("records", table(Some(View::NewImage)))]) }
    }

    /// Starts the function, and everything that it needs.
    fn up(&self, function: &Function) {
        let state = self.stack.place().state().to_owned();
        let (file, directory) = (state.join("tables.json"), state.join("tables"));
        tables::part::prepare(&file, &self.declared).unwrap();
        let tables = tables::part::part("tables", program(), &file, &directory, self.port).unwrap();
        let declared = messaging::Config {
            queues: queues(&[("failed", &[])]),
            tables: Some(self.port),
            ..messaging::Config::default()
        };
        self.stack.up_whole(&[tables, self.messages.part(&declared), function.part("point")]);
    }

    /// The function, with the table as its source. It reads through the door of all services.
    fn function(&self, change: impl FnOnce(&mut Reading)) -> Function {
        let mut reading =
            Reading { from: From::Oldest, batch: 100, window_ms: 0, retries: 2, bisect: true, partial: true };
        change(&mut reading);
        let mut function = Function::new(&self.stack, "point");
        let url = format!("http://127.0.0.1:{}/", self.messages.port);
        let Reading { from, batch, window_ms, retries, bisect, partial } = reading;
        let table = "records".to_owned();
        function.config.sources = vec![Source::Table { url, table, from, batch, window_ms, retries, bisect, partial }];
        function.config.asynchronous.failed_queue = Some(self.messages.url("failed"));
        function
    }

    fn put(&self, id: u64, what: &str) {
        put(self.port, "records", id, &json!({ "do": { "S": what } }));
    }

    /// What the function has not handled yet.
    fn behind(&self, function: &Function) -> Option<u64> {
        let read = function.counts_if_up()?.streams.remove("records")?;
        Some(tables::behind(self.port, "records", &read).ok()?.records)
    }

    fn until_handled(&self, function: &Function) {
        until("the end of the stream", || (self.behind(function) == Some(0)).then_some(()));
    }
}

struct Reading {
    from: From,
    batch: usize,
    window_ms: u64,
    retries: u32,
    bisect: bool,
    partial: bool,
}

/// The ids in each event that the function has seen.
fn seen(function: &Function) -> Vec<Vec<u64>> {
    let id = |record: &Value| record["dynamodb"]["Keys"]["id"]["N"].as_str().unwrap().parse().unwrap();
    let ids = |event: Value| event["Records"].as_array().unwrap().iter().map(id).collect();
    function.seen().into_iter().map(ids).collect()
}

/// The messages in the queue of failed events.
fn failed(tables: &Tables) -> Vec<(u64, Value)> {
    let body = |message: Value| -> Value { serde_json::from_str(message["Body"].as_str().unwrap()).unwrap() };
    let all = tables.messages.receive("failed").into_iter().map(body);
    all.map(|body| (body["DDBStreamBatchInfo"]["batchSize"].as_u64().unwrap(), body)).collect()
}

#[test]
fn records_are_handled_in_their_order_and_once() {
    let tables = Tables::new();
    let function = tables.function(|reading| (reading.window_ms, reading.partial) = (300, false));
    tables.up(&function);
    for id in 1..=250 {
        tables.put(id, "echo");
    }
    tables.until_handled(&function);
    let events = seen(&function);
    assert_eq!(events.concat(), (1..=250).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.len() <= 100) && events.len() < 100, "{}", events.len());
    let event = function.seen().remove(0);
    let record = &event["Records"][0];
    let fields: BTreeSet<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let recorded = ["awsRegion", "dynamodb", "eventID", "eventName", "eventSource", "eventSourceARN", "eventVersion"];
    assert_eq!(fields, recorded.into());
    let fields: BTreeSet<&str> = record["dynamodb"].as_object().unwrap().keys().map(String::as_str).collect();
    let recorded = ["ApproximateCreationDateTime", "Keys", "NewImage", "SequenceNumber", "SizeBytes", "StreamViewType"];
    assert_eq!(fields, recorded.into());
    assert!(record["dynamodb"]["ApproximateCreationDateTime"].is_u64());
    let arn = record["eventSourceARN"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:ap-northeast-2:123456789012:table/records/stream/20"), "{arn}");
    assert_eq!((&record["eventName"], &record["awsRegion"]), (&json!("INSERT"), &json!("ap-northeast-2")));

    // A change and a removal come too, and a stream that is switched on again is followed.
    tables.put(250, "other");
    call(tables.port, "DeleteItem", &json!({ "TableName": "records", "Key": { "id": { "N": "250" } } })).unwrap();
    tables.until_handled(&function);
    let names: Vec<String> = function
        .seen()
        .iter()
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .map(|record| record["eventName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names[250..], ["MODIFY", "REMOVE"]);
    tables::declare(tables.port, &config(&[("records", table(None))])).unwrap();
    tables::declare(tables.port, &tables.declared).unwrap();
    tables.put(251, "echo");
    until("the record of the new stream", || (seen(&function).concat().last() == Some(&251)).then_some(()));
    let last = function.seen().pop().unwrap();
    assert_ne!(last["Records"][0]["eventSourceARN"], arn);
}

#[test]
fn a_batch_is_tried_again_from_the_lowest_that_failed() {
    let tables = Tables::new();
    let function = tables.function(|reading| reading.window_ms = 500);
    tables.up(&function);
    let file = tables.stack.directory.path().join("there");
    for id in 1..=6 {
        tables.put(id, if id == 4 { format!("needs {}", file.display()) } else { "echo".to_owned() }.as_str());
    }
    until("the second try", || seen(&function).iter().any(|event| event.first() == Some(&4)).then_some(()));
    std::fs::write(&file, "").unwrap();
    tables.until_handled(&function);
    let events = seen(&function);
    for id in 1..=3 {
        assert_eq!(events.concat().iter().filter(|seen| **seen == id).count(), 1, "{events:?}");
    }
    assert_eq!(*events.concat().last().unwrap(), 6);
    assert_eq!(failed(&tables), []);

    // An answer that names no record is about all of them.
    let before = seen(&function).len();
    tables.put(7, "echo");
    tables.put(8, "name nobody");
    tables.until_handled(&function);
    let whole = seen(&function)[before..].to_vec();
    assert!(whole.concat().iter().filter(|id| **id == 7).count() >= 2 || !whole[0].contains(&8), "{whole:?}");
    assert_eq!(failed(&tables)[0].0, 1);
}

#[test]
fn what_fails_each_time_goes_to_the_queue_and_the_rest_goes_on() {
    let tables = Tables::new();
    let function = tables.function(|reading| (reading.window_ms, reading.partial) = (500, false));
    tables.up(&function);
    for id in 1..=8 {
        tables.put(id, if id == 6 { "break" } else { "echo" });
    }
    tables.until_handled(&function);
    let seen_alone = seen(&function).iter().filter(|event| **event == [6]).count();
    assert_eq!(seen_alone, 3, "once, and two tries again");
    let all: BTreeSet<u64> = seen(&function).concat().into_iter().collect();
    assert_eq!(all, (1..=8).collect());
    let messages = failed(&tables);
    assert_eq!(messages.len(), 1);
    let told = &messages[0].1;
    let batch = &told["DDBStreamBatchInfo"];
    assert_eq!((&batch["batchSize"], &batch["startSequenceNumber"]), (&json!(1), &batch["endSequenceNumber"]));
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(told["requestContext"]["functionArn"], function.config.arn);
    assert_eq!(
        (&told["requestContext"]["approximateInvokeCount"], &told["responseContext"]["functionError"]),
        (&json!(3), &json!("Unhandled"))
    );
    assert!(!told.to_string().contains("break"), "a message says where a record is, and not what it is");

    // The records are read again, and the function is called with them.
    let called = again::Function {
        port: function.port,
        name: &function.config.name,
        partial: true,
        within: Duration::from_secs(30),
    };
    let body = told.to_string();
    let error = again::redrive(tables.port, &called, &body).unwrap_err();
    assert!(format!("{error:#}").contains("told to break"), "{error:#}");
    let mut good = told.clone();
    let last = function
        .seen()
        .into_iter()
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .find(|record| record["dynamodb"]["Keys"]["id"]["N"] == "8")
        .unwrap()["dynamodb"]["SequenceNumber"]
        .clone();
    let seventh = function
        .seen()
        .into_iter()
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .find(|record| record["dynamodb"]["Keys"]["id"]["N"] == "7")
        .unwrap()["dynamodb"]["SequenceNumber"]
        .clone();
    good["DDBStreamBatchInfo"]["startSequenceNumber"] = seventh;
    good["DDBStreamBatchInfo"]["endSequenceNumber"] = last;
    good["DDBStreamBatchInfo"]["batchSize"] = json!(2);
    let done = again::redrive(tables.port, &called, &good.to_string()).unwrap();
    assert_eq!(done, Some(Again { handled: 2, gone: None }));
    assert_eq!(seen(&function).last().unwrap(), &[7, 8]);
    let other = json!({ "requestPayload": {} }).to_string();
    assert_eq!(again::redrive(tables.port, &called, &other).unwrap(), None);
    // The stream is another one now.
    tables::declare(tables.port, &Config::default()).unwrap();
    let done = again::redrive(tables.port, &called, &body).unwrap().unwrap();
    assert_eq!(done.handled, 0);
    assert!(done.gone.unwrap().starts_with("1 of 1 records from 1000"));
}

#[test]
fn the_latest_begin_with_the_declaration_and_a_kill_loses_nothing() {
    let tables = Tables::new();
    let function = tables.function(|reading| (reading.from, reading.window_ms) = (From::Latest, 50));
    let state = tables.stack.place().state().to_owned();
    let (file, directory) = (state.join("tables.json"), state.join("tables"));
    tables::part::prepare(&file, &tables.declared).unwrap();
    let alone = tables::part::part("tables", program(), &file, &directory, tables.port).unwrap();
    tables.stack.up_whole(&[alone]);
    tables.put(1, "echo");
    std::thread::sleep(Duration::from_millis(20));
    tables.up(&function);
    tables.put(2, "echo");
    until("the first record", || (!seen(&function).is_empty()).then_some(()));
    for id in 3..=60 {
        tables.put(id, "sleep 5");
        if id % 20 == 0 {
            let pid = until("the function's part", || tables.stack.status("point").pid);
            kill(pid as i32);
        }
        if id == 30 {
            kill(tables.stack.pid("tables") as i32);
            until("the tables", || tables::counted(tables.port).ok());
        }
    }
    tables.until_handled(&function);
    let all = seen(&function).concat();
    assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), (2..=60).collect());
    // After a kill the function begins with the first record that was not handled.
    assert!(all.len() < 59 * 3, "{}", all.len());
    let before = all.len();
    // The stack moves to another region. Its tables stay, and so does what is handled.
    let elsewhere = Config { region: "eu-west-1".into(), ..tables.declared.clone() };
    tables::declare(tables.port, &elsewhere).unwrap();
    kill(until("the function's part", || tables.stack.status("point").pid) as i32);
    tables.put(61, "echo");
    until("the last record", || (seen(&function).concat().last() == Some(&61)).then_some(()));
    assert_eq!(seen(&function).concat().len(), before + 1);
}

#[test]
fn what_was_trimmed_is_passed_over_and_named() {
    let tables = Tables::new();
    let function = tables.function(|reading| reading.batch = 1);
    tables.up(&function);
    let file = tables.stack.directory.path().join("there");
    tables.put(1, &format!("until {}", file.display()));
    until("the first record", || (seen(&function) == [[1]]).then_some(()));
    for id in 2..=5 {
        tables.put(id, "echo");
    }
    let all = records(tables.port, "records", "TRIM_HORIZON");
    let number = |id: usize| all[id - 1]["dynamodb"]["SequenceNumber"].as_str().unwrap();
    trim(&tables, 3);
    std::fs::write(&file, "").unwrap();
    until("the last record", || (seen(&function).concat().last() == Some(&5)).then_some(()));
    tables.until_handled(&function);
    assert_eq!(seen(&function).concat(), [1, 4, 5]);
    let log = std::fs::read_to_string(tables.stack.place().log("point")).unwrap();
    assert!(log.contains("records of records are more than a day old, and gone without being handled"), "{log}");

    // Three of the records of a failed batch are gone, and the function is called with the other one.
    let stream = stream(tables.port, "records");
    let body = json!({ "DDBStreamBatchInfo": {
        "streamArn": stream, "shardId": shard(&tables), "startSequenceNumber": number(1), "endSequenceNumber": number(4), "batchSize": 4,
    } });
    let name = &function.config.name;
    let called = again::Function { port: function.port, name, partial: true, within: Duration::from_secs(30) };
    let done = again::redrive(tables.port, &called, &body.to_string()).unwrap().unwrap();
    assert_eq!((done.handled, seen(&function).pop()), (1, Some(vec![4])));
    assert!(done.gone.unwrap().starts_with("3 of 4 records from 1000"));
}

fn shard(tables: &Tables) -> String {
    let described =
        call(tables.port, "DescribeStream", &json!({ "StreamArn": stream(tables.port, "records") })).unwrap();
    described["StreamDescription"]["Shards"][0]["ShardId"].as_str().unwrap().to_owned()
}

/// Trims the first records of the stream, as the service does with those that are a day old.
fn trim(tables: &Tables, count: u32) {
    let data = tables.stack.place().state().join("tables");
    let (front, engine) = ["front.db", "tables.db"].map(|file| Connection::open(data.join(file)).unwrap()).into();
    let oldest = "SELECT CAST(sequence_number AS INTEGER) FROM _stream_records ORDER BY 1 LIMIT 1 OFFSET ?1";
    let last: i64 = engine.query_row(oldest, [count - 1], |row| row.get(0)).unwrap();
    front.execute("INSERT INTO trimmed (stream, number) VALUES (?1, ?2)", (shard(tables), last)).unwrap();
    let deletion = "DELETE FROM _stream_records WHERE CAST(sequence_number AS INTEGER) <= ?1";
    assert_eq!(engine.execute(deletion, [last]).unwrap(), count as usize);
}
