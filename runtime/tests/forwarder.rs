//! The binary as Lambda starts it. This test plays both the Runtime API and the search domain.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{DEADLINE, Process, Received, server};

const SECRET: &str = "hunter2";

struct Lambda {
    process: Process,
    /// The calls of the function to the Runtime API, and its requests to the search domain.
    told: Receiver<Received>,
    searched: Receiver<Received>,
}

/// The forwarder with these events waiting for it. The search domain answers every `_bulk` with `status` and `body`.
fn lambda(events: &[Value], status: u16, body: &Value) -> Lambda {
    let (sender, searched) = channel();
    let body = body.to_string();
    let search = server(move |received| {
        if received.line.starts_with("PUT") {
            return (200, String::new(), "{}".to_owned());
        }
        let _ = sender.send(clone(received));
        (status, String::new(), body.clone())
    });
    let (api, told) = runtime_api(events);
    Lambda { process: start(api, &format!("http://{search}")), told, searched }
}

/// The time that Lambda gives for one event. Tests that see it run out wait for all of it.
const TIMEOUT: Duration = Duration::from_secs(4);

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
            // There are no more events. The real Runtime API waits too.
            thread::sleep(2 * DEADLINE);
            return (500, String::new(), String::new());
        };
        let deadline = (SystemTime::now() + TIMEOUT).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let id = format!("lambda-runtime-aws-request-id: r{number}\r\n");
        (200, format!("{id}lambda-runtime-deadline-ms: {deadline}\r\n"), event)
    });
    (api, told)
}

fn start(api: SocketAddr, search: &str) -> Process {
    start_with(api, search, &[])
}

fn start_with(api: SocketAddr, search: &str, more: &[(&str, &str)]) -> Process {
    let api = api.to_string();
    let mut variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", api.as_str()),
        ("_HANDLER", "forwarder"),
        ("SEARCH_ENDPOINT", search),
        ("INDEX_PREFIX", "reservations"),
        ("AWS_REGION", "ap-northeast-2"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    variables.extend(more);
    Process::start(&[], &variables)
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

    let tally = |stored, already_stored| json!({ "stored": stored, "already_stored": already_stored, "set_aside": 0, "refused": {}, "unsent": {} });
    assert_eq!(told(&mut lambda), ("invocation/r0/response".to_owned(), tally(0, 0)));
    let tally = tally(1, 1);
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
    let common =
        json!({ "@timestamp": "2022-06-07T00:00:00Z", "@log_group": "/sendy/reservation", "@log_stream": "s" });
    let with = |fields: Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    assert_eq!(
        lines,
        [
            json!({ "create": { "_index": "reservations-2022.06.07", "_id": "1" } }),
            with(json!({ "@id": "1", "@message": message, "event": "reservation.created", "departure": "서울" })),
            json!({ "create": { "_index": "reservations-2022.06.07", "_id": "2" } }),
            with(json!({ "@id": "2", "@message": "plain" })),
        ]
    );
    assert!(lambda.searched.try_recv().is_err(), "the control message went to the search domain");
}

#[test]
fn what_is_not_stored_is_an_error_with_reasons_and_without_contents() {
    let event = [data(&[("1", SECRET), ("2", SECRET), ("3", SECRET), ("4", SECRET)])];
    let mut refusing = lambda(&event, 200, &items(&[201, 404, 400, 404]));
    let expected = "3 of 4 events were not stored: 1 × 400 some_exception, 2 × 404 some_exception";
    let (path, error) = told(&mut refusing);
    assert_eq!((path.as_str(), &error["errorMessage"]), ("invocation/r0/error", &json!(expected)));
    assert_eq!(refusing.process.line("failed")["message"], expected);
    assert!(refusing.process.seen.iter().all(|line| !line.contains(SECRET)));

    let mut busy = lambda(&event, 429, &json!({}));
    let message = told(&mut busy).1["errorMessage"].to_string();
    let (all, why) = message.split_once(": 4 × ").expect(&message);
    assert!(all.ends_with("4 of 4 events were not stored"), "{message}");
    // The last attempt has the rest of the time, which may be too little for an answer. The reason before it is told.
    assert!(why.contains("answered 429 Too Many Requests"), "{message}");

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

/// The documents by path.
type Documents = Arc<Mutex<BTreeMap<String, String>>>;

/// A search domain that keeps documents outside of `_bulk`, as the real one does, and takes every bulk.
fn search() -> (SocketAddr, Receiver<Received>, Documents) {
    let (sender, searched) = channel();
    let documents = Documents::default();
    let kept = documents.clone();
    let address = server(move |received| {
        let mut words = received.line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut kept = kept.lock().unwrap();
        match (method, kept.get(path)) {
            ("POST", _) => {
                let _ = sender.send(clone(received));
                let lines = received.body.iter().filter(|byte| **byte == b'\n').count();
                (200, String::new(), items(&vec![201; lines / 2]).to_string())
            }
            ("PUT", _) if !path.starts_with("/provision-backfill/") => (200, String::new(), "{}".to_owned()),
            ("PUT", _) => {
                kept.insert(path.to_owned(), String::from_utf8(received.body.clone()).unwrap());
                (201, String::new(), "{}".to_owned())
            }
            (_, Some(source)) => (200, String::new(), format!(r#"{{"found":true,"_source":{source}}}"#)),
            (_, None) => (404, String::new(), r#"{"found":false}"#.to_owned()),
        }
    });
    (address, searched, documents)
}

/// CloudWatch Logs with two pages. The first page is throttled once. Events of two streams come mixed.
fn cloudwatch_logs() -> (SocketAddr, Receiver<Received>) {
    let (sender, asked) = channel();
    let throttle = Arc::new(Mutex::new(true));
    // The subscription is only just being put.
    let unseen = Arc::new(Mutex::new(true));
    let address = server(move |received| {
        if std::mem::take(&mut *throttle.lock().unwrap()) {
            return (400, String::new(), json!({ "__type": "ThrottlingException" }).to_string());
        }
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        if received.header("x-amz-target") == Some("Logs_20140328.DescribeSubscriptionFilters") {
            // The answer has the form of CloudWatch Logs (API reference, DescribeSubscriptionFilters). The first filter
            // is somebody else's.
            let filter = |pattern: &str, function: &str| {
                json!({ "filterName": function, "logGroupName": request["logGroupName"], "filterPattern": pattern,
                    "destinationArn": format!("arn:aws:lambda:ap-northeast-2:1:function:{function}"), "creationTime": 1 })
            };
            let ours =
                if std::mem::take(&mut *unseen.lock().unwrap()) { vec![] } else { vec![filter("ERROR", "forwarder")] };
            let all: Vec<Value> = [vec![filter("", "other")], ours].concat();
            return (200, String::new(), json!({ "subscriptionFilters": all }).to_string());
        }
        let _ = sender.send(clone(received));
        let event = |id: i64, stream: &str| {
            json!({ "eventId": id.to_string(), "logStreamName": stream, "timestamp": 1_654_560_000_000 + id,
                    "message": "m", "ingestionTime": 1 })
        };
        let page = match request["nextToken"].as_str() {
            None => json!({ "events": [event(1, "a"), event(2, "b"), event(3, "a")], "nextToken": "t" }),
            Some(_) => json!({ "events": [event(4, "b")], "searchedLogStreams": [] }),
        };
        (200, String::new(), page.to_string())
    });
    (address, asked)
}

#[test]
fn the_probe_of_a_subscription_fetches_the_past_of_its_group_once() {
    let ((logs, asked), (search, searched, documents)) = (cloudwatch_logs(), search());
    let (search, logs) = (format!("http://{search}"), format!("http://{logs}"));
    let probe = || subscription(&json!({ "messageType": "CONTROL_MESSAGE", "logEvents": [] }));
    let more = [
        ("LOG_GROUPS", "/sendy/"),
        ("SHIPPED", "lookup"),
        ("AWS_LAMBDA_FUNCTION_NAME", "forwarder"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", logs.as_str()),
    ];

    let (api, told) = runtime_api(&[probe(), probe()]);
    let first = start_with(api, &search, &more);
    let stored = |told: &Receiver<Received>| {
        let told = told.recv_timeout(DEADLINE).unwrap();
        assert!(told.line.ends_with("/response HTTP/1.1"), "{}", String::from_utf8_lossy(&told.body));
        serde_json::from_slice::<Value>(&told.body).unwrap()["stored"].clone()
    };
    assert_eq!((stored(&told), stored(&told)), (json!(4), json!(0)));
    drop(first);

    let request = asked.recv_timeout(DEADLINE).unwrap();
    assert_eq!(request.header("x-amz-target"), Some("Logs_20140328.FilterLogEvents"));
    assert!(request.header("authorization").unwrap().contains("/ap-northeast-2/logs/aws4_request"));
    let request: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&request["logGroupName"], &request["filterPattern"]), (&json!("/sendy/lookup"), &json!("ERROR")));
    assert_eq!(request.get("startTime"), None, "from its creation");
    let streams: Vec<Value> = searched.try_iter().map(|bulk| document(&bulk)["@log_stream"].clone()).collect();
    assert_eq!(streams, ["a", "b", "b"]);

    // Another process finds that the backfill is done.
    let (api, told) = runtime_api(&[probe()]);
    let _second = start_with(api, &search, &more);
    assert_eq!(stored(&told), 0);

    // A backfill that was ended half-way goes on from there.
    for document in documents.lock().unwrap().values_mut() {
        assert_eq!(
            serde_json::from_str::<Value>(document).unwrap(),
            json!({ "log_group": "/sendy/lookup", "up_to": 1_654_560_000_004_i64, "done": true })
        );
        *document = json!({ "up_to": 1_654_560_000_003_i64, "done": false }).to_string();
    }
    asked.try_iter().for_each(drop);
    let (api, told) = runtime_api(&[data(&[("9", "x")])]);
    let _third = start_with(api, &search, &more);
    assert_eq!(stored(&told), 1, "the answer is about the event itself");
    let request: Value = serde_json::from_slice(&asked.recv_timeout(DEADLINE).unwrap().body).unwrap();
    assert_eq!(request["startTime"], 1_654_560_000_003_i64);
}

/// The past may be missing, but the stored events are not sent again.
#[test]
fn a_failed_backfill_does_not_fail_an_event_that_is_stored() {
    let (search, _searched, _documents) = search();
    let (api, told) = runtime_api(&[data(&[("1", "x")]), subscription(&json!({ "messageType": "CONTROL_MESSAGE" }))]);
    let more = [("SHIPPED", "/sendy/lookup"), ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1")];
    let mut process = start_with(api, &format!("http://{search}"), &more);
    assert!(told.recv_timeout(DEADLINE).unwrap().line.ends_with("r0/response HTTP/1.1"));
    assert!(process.line("not_backfilled")["message"].to_string().contains("reading /sendy/lookup"));
    assert!(told.recv_timeout(DEADLINE).unwrap().line.ends_with("r1/error HTTP/1.1"), "a probe is tried again");
}

/// A policy is changed only under the sequence numbers of the existing one, and only if that keeps indexes for another
/// time.
#[test]
fn the_retention_is_put_and_changed_but_not_again() {
    for (present, changed) in [(Some("30d"), false), (Some("7d"), true), (None, false)] {
        let (sender, asked) = channel();
        let search = server(move |received| {
            let mut words = received.line.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            if method == "POST" {
                return (200, String::new(), items(&[201]).to_string());
            }
            let _ = sender.send(format!("{method} {path}"));
            let age = json!({ "conditions": { "min_index_age": present } });
            let policy = json!({ "_id": "reservations", "_version": 1, "_seq_no": 7, "_primary_term": 1,
                "policy": { "states": [{ "name": "kept", "transitions": [age] }] } });
            match (method, path) {
                ("PUT", "/_plugins/_ism/policies/reservations") if present.is_some() => {
                    (409, String::new(), "{}".to_owned())
                }
                _ => (200, String::new(), policy.to_string()),
            }
        });
        let (api, told) = runtime_api(&[data(&[("1", "x")]), data(&[("2", "x")])]);
        let _process = start(api, &format!("http://{search}"));
        for path in ["r0/response", "r1/response"] {
            let told = told.recv_timeout(DEADLINE).unwrap();
            assert!(told.line.contains(path), "{}", told.line);
        }
        let policy = "/_plugins/_ism/policies/reservations";
        let mut expected = vec!["PUT /_index_template/reservations".to_owned(), format!("PUT {policy}")];
        if present.is_some() {
            expected.push(format!("GET {policy}"));
        }
        if changed {
            expected.push(format!("PUT {policy}?if_primary_term=1&if_seq_no=7"));
        }
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), expected, "{present:?}");
    }
}

/// A log group may have indexes of its own. They hold nothing of another group.
#[test]
fn a_log_group_may_have_an_index_of_its_own() {
    let (search, searched, _documents) = search();
    let (api, told) = runtime_api(&[data(&[("1", "x")])]);
    let more = [("LOG_GROUPS", "/sendy/"), ("INDEXES", "reservation=of-reservation")];
    let _process = start_with(api, &format!("http://{search}"), &more);
    told.recv_timeout(DEADLINE).unwrap();
    let bulk = searched.recv_timeout(DEADLINE).unwrap();
    assert!(String::from_utf8(bulk.body).unwrap().contains(r#""_index":"of-reservation-2022.06.07""#));
}

/// Fine-grained access knows only its master user until it is told of other users.
#[test]
fn the_readers_are_mapped_before_the_first_document() {
    let (sender, asked) = channel();
    let search = server(move |received| {
        if received.line.starts_with("POST") {
            return (200, String::new(), items(&[201]).to_string());
        }
        let body = serde_json::from_slice::<Value>(&received.body).unwrap_or_default();
        let _ = sender.send((received.line.split(' ').nth(1).unwrap().to_owned(), body));
        (200, String::new(), "{}".to_owned())
    });
    let (api, told) = runtime_api(&[data(&[("1", "x")])]);
    let more = [("READERS_PATH", "arn:aws:iam::1:role/"), ("READERS", "a=reservations-*")];
    let _process = start_with(api, &format!("http://{search}"), &more);
    told.recv_timeout(DEADLINE).unwrap();
    let asked: std::collections::BTreeMap<String, Value> = asked.try_iter().collect();
    let name = "reservations-read-reservations";
    let role = &asked[&format!("/_plugins/_security/api/roles/{name}")];
    assert_eq!(
        role["index_permissions"],
        json!([{ "index_patterns": ["reservations-*"], "allowed_actions": ["read"] }])
    );
    let mapping = &asked[&format!("/_plugins/_security/api/rolesmapping/{name}")];
    assert_eq!(mapping["backend_roles"], json!(["arn:aws:iam::1:role/a"]));
}

fn document(bulk: &Received) -> Value {
    serde_json::from_str(std::str::from_utf8(&bulk.body).unwrap().lines().nth(1).unwrap()).unwrap()
}
