//! The binary as Lambda starts it, between a Runtime API and a search domain that are both played here.

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{DEADLINE, Process, Received, server};

const SECRET: &str = "hunter2";

struct Lambda {
    process: Process,
    /// What the function told the Runtime API, and what the search domain was sent.
    told: Receiver<Received>,
    searched: Receiver<Received>,
}

/// The forwarder with these events waiting for it; the search domain answers every `_bulk` with `status` and `body`.
fn lambda(events: &[Value], status: u16, body: &Value) -> Lambda {
    let (sender, searched) = channel();
    let body = body.to_string();
    let search = server(move |received| {
        let _ = sender.send(clone(received));
        (status, String::new(), body.clone())
    });
    let (api, told) = runtime_api(events);
    Lambda { process: start(api, &format!("http://{search}")), told, searched }
}

fn runtime_api(events: &[Value]) -> (SocketAddr, Receiver<Received>) {
    let (sender, told) = channel();
    let waiting = Arc::new(Mutex::new(events.iter().map(Value::to_string).enumerate().collect::<Vec<_>>().into_iter()));
    let api = server(move |received| {
        if received.line.starts_with("POST") {
            let _ = sender.send(clone(received));
            return (202, String::new(), "{}".to_owned());
        }
        assert_eq!(received.line, "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
        let next = waiting.lock().unwrap().next();
        let Some((number, event)) = next else {
            // No more events: the real one waits too.
            thread::sleep(2 * DEADLINE);
            return (500, String::new(), String::new());
        };
        (200, format!("lambda-runtime-aws-request-id: r{number}\r\n"), event)
    });
    (api, told)
}

fn start(api: SocketAddr, search: &str) -> Process {
    start_with(api, search, "http://127.0.0.1:1")
}

fn start_with(api: SocketAddr, search: &str, logs: &str) -> Process {
    let api = api.to_string();
    Process::start(
        &[],
        &[
            ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", logs),
            ("AWS_LAMBDA_RUNTIME_API", &api),
            ("_HANDLER", "forwarder"),
            ("SEARCH_ENDPOINT", search),
            ("INDEX_PREFIX", "reservations"),
            ("AWS_REGION", "ap-northeast-2"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_SESSION_TOKEN", "session"),
        ],
    )
}

fn clone(received: &Received) -> Received {
    Received { line: received.line.clone(), head: received.head.clone(), body: received.body.clone() }
}

fn subscription(message: &Value) -> Value {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message.to_string().as_bytes()).unwrap();
    json!({ "awslogs": { "data": BASE64_STANDARD.encode(gzip.finish().unwrap()) } })
}

fn data(events: &[(&str, &str)]) -> Value {
    let event =
        |(id, message): &(&str, &str)| json!({ "id": id, "timestamp": 1_654_560_000_000_i64, "message": message });
    subscription(&json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/sendy/reservation",
        "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events.iter().map(event).collect::<Vec<_>>()
    }))
}

fn items(statuses: &[u16]) -> Value {
    let item = |status: &u16| match status {
        400.. => {
            json!({ "create": { "status": status, "error": { "type": "some_exception", "reason": "hunter2" } } })
        }
        _ => json!({ "create": { "status": status } }),
    };
    json!({ "errors": true, "items": statuses.iter().map(item).collect::<Vec<_>>() })
}

fn told(lambda: &mut Lambda) -> (String, Value) {
    let told = lambda.told.recv_timeout(DEADLINE).unwrap();
    let path = told.line.trim_start_matches("POST /2018-06-01/runtime/").trim_end_matches(" HTTP/1.1");
    (path.to_owned(), serde_json::from_slice(&told.body).unwrap())
}

#[test]
fn events_become_documents() {
    let probe = subscription(&json!({ "messageType": "CONTROL_MESSAGE", "logEvents": [] }));
    let message = r#"{"event":"reservation.created","departure":"서울"}"#;
    let events = [probe, data(&[("1", message), ("2", "plain")])];
    let mut lambda = lambda(&events, 200, &items(&[201, 409]));

    let nothing = json!({ "stored": 0, "already_stored": 0, "refused": {} });
    assert_eq!(told(&mut lambda), ("invocation/r0/response".to_owned(), nothing));
    let tally = json!({ "stored": 1, "already_stored": 1, "refused": {} });
    assert_eq!(told(&mut lambda), ("invocation/r1/response".to_owned(), tally));

    let bulk = lambda.searched.recv_timeout(DEADLINE).unwrap();
    assert_eq!(bulk.line, "POST /_bulk HTTP/1.1");
    assert_eq!(bulk.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(bulk.header("x-amz-security-token"), Some("session"));
    assert_eq!(bulk.header("x-amz-content-sha256").map(str::len), Some(64));
    let authorization = bulk.header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/ap-northeast-2/es/aws4_request, SignedHeaders="), "{authorization}");
    assert!(authorization.contains("host;"), "{authorization}");

    let text = std::str::from_utf8(&bulk.body).unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let common = json!({ "@timestamp": "2022-06-07T00:00:00Z", "log_group": "/sendy/reservation", "log_stream": "s" });
    let with = |fields: Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    assert_eq!(
        lines,
        [
            json!({ "create": { "_index": "reservations-2022.06.07", "_id": "1" } }),
            with(json!({ "id": "1", "message": message, "event": "reservation.created", "departure": "서울" })),
            json!({ "create": { "_index": "reservations-2022.06.07", "_id": "2" } }),
            with(json!({ "id": "2", "message": "plain" })),
        ]
    );
    assert!(lambda.searched.try_recv().is_err(), "the control message went to the search domain");
}

#[test]
fn what_is_not_stored_is_an_error_with_reasons_and_without_contents() {
    let event = [data(&[("1", SECRET), ("2", SECRET), ("3", SECRET), ("4", SECRET)])];
    let mut refusing = lambda(&event, 200, &items(&[201, 429, 400, 429]));
    let expected = "3 of 4 events were not stored: 1 × 400 some_exception, 2 × 429 some_exception";
    let (path, error) = told(&mut refusing);
    assert_eq!((path.as_str(), &error["errorMessage"]), ("invocation/r0/error", &json!(expected)));
    assert_eq!(refusing.process.line("failed")["message"], expected);
    assert!(refusing.process.seen.iter().all(|line| !line.contains(SECRET)));

    let mut busy = lambda(&event, 429, &json!({}));
    let expected = "4 of 4 events were not stored: 4 × the search domain answered 429 Too Many Requests";
    assert_eq!(told(&mut busy).1["errorMessage"], expected);

    let reason = json!({ "Message": "User: arn:aws:sts::1:assumed-role/x is not authorized" });
    let mut forbidden = lambda(&event, 403, &reason);
    let message = told(&mut forbidden).1["errorMessage"].to_string();
    assert!(message.contains("403 Forbidden") && message.contains("is not authorized"), "{message}");

    let mut short = lambda(&event, 200, &items(&[201]));
    assert!(told(&mut short).1["errorMessage"].to_string().contains("answered for 1 of 4 events"));
}

#[test]
fn a_bad_event_is_an_error_and_the_next_one_is_handled() {
    let events = [json!({ "hunter2": 1 }), json!({ "awslogs": { "data": "hunter2" } }), data(&[("1", "x")])];
    let mut lambda = lambda(&events, 200, &items(&[201]));
    for path in ["invocation/r0/error", "invocation/r1/error"] {
        let (told, error) = told(&mut lambda);
        assert_eq!(told, path);
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
    assert_eq!(told(&mut lambda).0, "invocation/r2/response");
}

#[test]
fn an_unreachable_domain_is_an_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (api, told) = runtime_api(&[data(&[("1", "x")])]);
    let _process = start(api, &format!("http://{closed}"));
    let told = told.recv_timeout(DEADLINE).unwrap();
    let error = String::from_utf8(told.body).unwrap();
    assert!(told.line.contains("/error") && error.contains("sending to the search domain"), "{error}");
}

#[test]
fn mistakes_at_the_start_are_told_to_lambda() {
    let (api, told) = runtime_api(&[]);
    let mut process = start(api, "ftp://x");
    let told = told.recv_timeout(DEADLINE).unwrap();
    assert_eq!(told.line, "POST /2018-06-01/runtime/init/error HTTP/1.1");
    let error: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(error["errorMessage"], "configuration: SEARCH_ENDPOINT is not a host, or http(s)://host[:port]");
    assert_eq!(process.exit().code(), Some(1));
}

/// CloudWatch Logs with two pages, the first of which is throttled once; events of two streams come mixed.
#[test]
fn a_group_is_backfilled_from_its_creation_by_pages() {
    let (sender, asked) = channel();
    let throttle = Arc::new(Mutex::new(true));
    let logs = server(move |received| {
        if std::mem::take(&mut *throttle.lock().unwrap()) {
            return (400, String::new(), json!({ "__type": "ThrottlingException" }).to_string());
        }
        let _ = sender.send(clone(received));
        let event = |id: &str, stream: &str| {
            json!({ "eventId": id, "logStreamName": stream, "timestamp": 1_654_560_000_000_i64, "message": id,
                    "ingestionTime": 1 })
        };
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        let page = match request["nextToken"].as_str() {
            None => json!({ "events": [event("1", "a"), event("2", "b"), event("3", "a")], "nextToken": "t" }),
            Some(_) => json!({ "events": [event("4", "b")], "searchedLogStreams": [] }),
        };
        (200, String::new(), page.to_string())
    });
    let (sender, searched) = channel();
    let search = server(move |received| {
        let _ = sender.send(clone(received));
        let documents = received.body.iter().filter(|byte| **byte == b'\n').count() / 2;
        (200, String::new(), items(&vec![201; documents]).to_string())
    });
    let (api, told) = runtime_api(&[json!({ "backfill": { "log_group": "/sendy/lookup", "pattern": "ERROR" } })]);
    let _process = start_with(api, &format!("http://{search}"), &format!("http://{logs}"));

    let told = told.recv_timeout(DEADLINE).unwrap();
    assert_eq!(told.line, "POST /2018-06-01/runtime/invocation/r0/response HTTP/1.1");
    let tally: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(tally, json!({ "stored": 4, "already_stored": 0, "refused": {} }));

    let first = asked.recv_timeout(DEADLINE).unwrap();
    assert_eq!(first.header("x-amz-target"), Some("Logs_20140328.FilterLogEvents"));
    assert!(first.header("authorization").unwrap().contains("/ap-northeast-2/logs/aws4_request"));
    let request: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!((&request["logGroupName"], &request["filterPattern"]), (&json!("/sendy/lookup"), &json!("ERROR")));
    assert_eq!(request.get("startTime"), None);
    let bulks: Vec<String> =
        searched.try_iter().map(|bulk| String::from_utf8(bulk.body).unwrap().lines().nth(1).unwrap().into()).collect();
    let streams: Vec<Value> =
        bulks.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["log_stream"].clone()).collect();
    assert_eq!(streams, ["a", "b", "b"]);
}
