//! The forwarder with a real OpenSearch. `opensearch.sh` fetches and starts it.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{DEADLINE, Process, exchange, server};

/// The time to start OpenSearch. Fetching it takes half a minute, and a busy machine needs as long again to start it.
const START: Duration = Duration::from_secs(300);

#[test]
fn a_reservation_is_found_by_its_departure() {
    let node = OpenSearch::start();
    let (queue, failed) = queue();
    let mut lambda = Lambda::start(node.address, queue);

    let first = json!({ "event": "reservation.created", "id": 1, "departure": "서울", "destination": "부산",
        "date": "2022-06-07", "user_name": "peachdo", "timestamp": "2022-06-07T00:00:00.123456789Z" });
    let second = json!({ "event": "reservation.created", "id": 2, "departure": "대전", "destination": "서울역",
        "date": "2022-06-08", "user_name": "홍길동", "detail": { "seats": 2 } });
    let payload = payload(&[("a", &first), ("b", &second)]);
    assert_eq!(lambda.invoke(&payload), tally(2, 0, 0));
    // Lambda sends the event again if an answer is lost.
    assert_eq!(lambda.invoke(&payload), tally(0, 2, 0));

    let found = node.search("departure:서울");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["id"], &found[0]["@id"]), (&json!(1), &json!("a")));
    assert_eq!(found[0]["@message"], first.to_string());
    assert_eq!(node.search("destination:서울").len(), 1, "also as a part of a word");
    assert_eq!(node.search("서울").len(), 2, "in any field");
    assert_eq!(node.search("user_name:홍길동 AND date:2022-06-08").len(), 1);

    let template = node.ask("GET", "/_index_template/reservations", None);
    let patterns = &template["index_templates"][0]["index_template"]["index_patterns"];
    assert_eq!(patterns, &json!(["reservations-*"]));
    let terms = |field: &str| json!({ "terms": { "field": field } });
    let aggregations = node.ask(
        "POST",
        "/reservations-2022.06.07/_search?size=0",
        Some(&json!({ "aggs": {
            "departures": terms("departure.keyword"), "destinations": terms("destination.keyword"),
            "users": terms("user_name.keyword"), "events": terms("event"),
            "days": { "date_histogram": { "field": "date", "calendar_interval": "day" } }
        } })),
    );
    for (name, buckets) in [("departures", 2), ("destinations", 2), ("users", 2), ("events", 1), ("days", 2)] {
        let found = aggregations["aggregations"][name]["buckets"].as_array().map(Vec::len);
        assert_eq!(found, Some(buckets), "{name} in {aggregations}");
    }

    // `detail` is an object by now, so a text does not fit. A text that is not a date does.
    let conflict = json!({ "event": "reservation.created", "detail": "two seats" });
    let odd = json!({ "event": "reservation.created", "date": "someday" });
    assert_eq!(lambda.invoke(&self::payload(&[("c", &conflict), ("d", &odd)])), tally(1, 0, 1));
    let failed = failed.recv_timeout(DEADLINE).unwrap();
    assert_eq!((&failed["id"], &failed["message"]), (&json!("c"), &json!(conflict.to_string())));
    assert_eq!(failed["reason"], "400 mapper_parsing_exception");

    // This OpenSearch has no ISM. The forwarder says so once, and goes on.
    assert_eq!(lambda.process.line("no_retention")["prefix"], "reservations");
    assert_eq!(lambda.process.seen.iter().filter(|line| line.contains("no_retention")).count(), 1);
}

struct OpenSearch {
    node: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl OpenSearch {
    fn start() -> Self {
        // `opensearch.sh` takes only these ports.
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (9230..=9299).find(free).unwrap();
        let folder = std::env::temp_dir().join(format!("opensearch-{}", std::process::id()));
        let node = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/opensearch.sh"))
            .args(["run", &port.to_string(), folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = OpenSearch { node, address: SocketAddr::from(([127, 0, 0, 1], port)), folder };
        let deadline = Instant::now() + START;
        while !started.answers() {
            assert_eq!(started.node.try_wait().unwrap(), None, "it ended");
            assert!(Instant::now() < deadline, "it does not answer");
            thread::sleep(Duration::from_millis(200));
        }
        started
    }

    fn answers(&self) -> bool {
        let open = TcpStream::connect_timeout(&self.address, DEADLINE).is_ok();
        open && self.ask("GET", "/_cluster/health", None)["status"] == "green"
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = "host: x\r\nconnection: close\r\ncontent-type: application/json";
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        let answer = exchange(self.address, request.as_bytes());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_default()
    }

    /// The results that a person sees who types this into the search field.
    fn search(&self, query: &str) -> Vec<Value> {
        self.ask("POST", "/reservations-*/_refresh", None);
        let query = json!({ "query": { "query_string": { "query": query } } });
        let answer = self.ask("POST", "/reservations-*/_search", Some(&query));
        let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}"));
        hits.iter().map(|hit| hit["_source"].clone()).collect()
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// SQS, and the messages that it gets.
fn queue() -> (SocketAddr, Receiver<Value>) {
    let (sender, failed) = channel();
    let address = server(move |received| {
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        let mut successful = Vec::new();
        for entry in request["Entries"].as_array().unwrap() {
            successful.push(json!({ "Id": entry["Id"] }));
            let _ = sender.send(serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap());
        }
        (200, String::new(), json!({ "Successful": successful, "Failed": [] }).to_string())
    });
    (address, failed)
}

/// The binary, behind a Runtime API that hands over one event after the other.
struct Lambda {
    process: Process,
    events: Sender<String>,
    told: Receiver<Value>,
}

impl Lambda {
    fn start(search: SocketAddr, queue: SocketAddr) -> Self {
        let (sender, told) = channel();
        let (events, waiting) = channel::<String>();
        let waiting = Arc::new(Mutex::new(waiting));
        let api = server(move |received| {
            if received.line.starts_with("POST") {
                let _ = sender.send(serde_json::from_slice(&received.body).unwrap());
                return (202, String::new(), "{}".to_owned());
            }
            let id = "lambda-runtime-aws-request-id: r\r\n".to_owned();
            match waiting.lock().unwrap().recv_timeout(START) {
                Ok(event) => (200, id, event),
                Err(_) => (500, String::new(), String::new()),
            }
        });
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
            ("_HANDLER", "forwarder".to_owned()),
            ("SEARCH_ENDPOINT", format!("http://{search}")),
            ("INDEX_PREFIX", "reservations".to_owned()),
            ("FAILED_QUEUE_URL", format!("http://{queue}/123456789012/failed")),
            ("AWS_REGION", "ap-northeast-2".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Lambda { process: Process::start(&[], &variables), events, told }
    }

    fn invoke(&self, event: &Value) -> Value {
        self.events.send(event.to_string()).unwrap();
        self.told.recv_timeout(3 * DEADLINE).unwrap()
    }
}

fn tally(stored: usize, already_stored: usize, set_aside: usize) -> Value {
    json!({ "stored": stored, "already_stored": already_stored, "set_aside": set_aside, "refused": {}, "unsent": {} })
}

fn payload(events: &[(&str, &Value)]) -> Value {
    let event = |(id, message): &(&str, &Value)| json!({ "id": id, "timestamp": 1_654_560_000_000_i64, "message": message.to_string() });
    let plain = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/sendy/reservation", "logStream": "s",
        "subscriptionFilters": ["f"], "logEvents": events.iter().map(event).collect::<Vec<_>>()
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain.to_string().as_bytes()).unwrap();
    json!({ "awslogs": { "data": BASE64_STANDARD.encode(gzip.finish().unwrap()) } })
}
