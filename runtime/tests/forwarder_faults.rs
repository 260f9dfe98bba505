//! The forwarder against a search domain and a queue that fail at random, by a seed. They refuse whole requests, they
//! refuse single events, and they cut connections before, after and in the middle of the answer. Lambda is played as it
//! is: it sends a failed event again. In the end every event is in exactly one place, and in the right one.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use runtime::config::{self, Environment};
use runtime::forwarder::Forwarder;
use serde_json::{Value, json};
use support::{Received, receive};

/// How often Lambda sends an event in this test before it gives up. The real Lambda stops at three, and keeps the
/// event.
const INVOCATIONS: usize = 40;
const TIME: Duration = Duration::from_millis(400);

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_doubled(
        seed: u64,
        trouble in 0..50_u64,
        sizes in prop::collection::vec(1..120_usize, 1..4),
    ) {
        let world = Arc::new(Mutex::new(World { random: seed | 1, trouble, ..World::default() }));
        let forwarder = forwarder(serve(&world), true);
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut all = BTreeMap::new();
        for (number, size) in sizes.into_iter().enumerate() {
            let events: Vec<_> = (0..size).map(|place| event(number, place)).collect();
            all.extend(events.iter().map(|(id, poison, _)| (id.clone(), *poison)));
            let payload = payload(&events);
            let done = (0..INVOCATIONS).any(|_| tokio.block_on(forwarder.handle(&payload, TIME)).is_ok());
            prop_assert!(done, "given up, in trouble {trouble}");
        }
        let world = world.lock().unwrap();
        prop_assert!(world.wrong.is_empty(), "{:?}", world.wrong);
        let stored: BTreeSet<_> = world.stored.keys().cloned().collect();
        prop_assert_eq!(stored, all.iter().filter(|(_, poison)| !**poison).map(|(id, _)| id.clone()).collect());
        prop_assert_eq!(&world.failed, &all.iter().filter(|(_, poison)| **poison).map(|(id, _)| id.clone()).collect());
    }
}

/// Without a queue for refused events the invocation fails, after everything else was stored.
#[test]
fn without_a_queue_what_is_refused_fails_the_invocation_last() {
    let world = Arc::new(Mutex::new(World { random: 7, trouble: 10, ..World::default() }));
    let forwarder = forwarder(serve(&world), false);
    let events: Vec<_> = (0..100).map(|place| event(0, place)).collect();
    let poisoned = events.iter().filter(|(_, poison, _)| *poison).count();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = tokio.block_on(forwarder.handle(&payload(&events), Duration::from_secs(20))).unwrap_err();
    let expected = format!("{poisoned} of 100 events were not stored: {poisoned} × 400 mapper_parsing_exception");
    assert_eq!(error.to_string(), expected);
    assert_eq!(world.lock().unwrap().stored.len(), 100 - poisoned);
}

/// A request that is refused as a whole is halved until the event that is to blame is alone.
#[test]
fn one_event_that_spoils_its_request_does_not_hold_the_others_up() {
    let world = Arc::new(Mutex::new(World { random: 9, spoilt: true, ..World::default() }));
    let forwarder = forwarder(serve(&world), true);
    let events: Vec<_> = (0..100).map(|place| event(0, place)).collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tally = tokio.block_on(forwarder.handle(&payload(&events), Duration::from_secs(20))).unwrap();
    let poisoned = events.iter().filter(|(_, poison, _)| *poison).count();
    assert_eq!((tally.stored, tally.set_aside), (100 - poisoned, poisoned));
    assert_eq!(world.lock().unwrap().failed.len(), poisoned);
}

#[derive(Default)]
struct World {
    random: u64,
    /// How many of a hundred requests fail, and how many of a hundred events.
    trouble: u64,
    /// Whether a poisoned event has its whole request refused.
    spoilt: bool,
    /// The documents by id.
    stored: BTreeMap<String, String>,
    failed: BTreeSet<String>,
    template: bool,
    wrong: Vec<String>,
}

enum Reply {
    Whole(u16, String),
    /// The connection is cut after so many bytes of the answer.
    Cut(String, usize),
}

impl World {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn unlucky(&mut self) -> bool {
        self.below(100) < self.trouble
    }

    fn reply(&mut self, received: &Received) -> Reply {
        if self.unlucky() {
            return match self.below(6) {
                0 => Reply::Whole(429, "{}".to_owned()),
                1 => Reply::Whole(500, "no JSON".to_owned()),
                2 => Reply::Whole(503, String::new()),
                3 if received.line.contains("_bulk") => Reply::Whole(200, r#"{"items":[]}"#.to_owned()),
                3 | 4 => Reply::Cut(String::new(), 0),
                // The request took effect, but the answer is cut.
                _ => {
                    let (_, answer) = self.answer(received);
                    let length = self.below(answer.len() as u64 + 1) as usize;
                    Reply::Cut(answer, length)
                }
            };
        }
        let (status, answer) = self.answer(received);
        Reply::Whole(status, answer)
    }

    fn answer(&mut self, received: &Received) -> (u16, String) {
        let path = received.line.split(' ').nth(1).unwrap();
        match path {
            "/_bulk" => self.bulk(received),
            "/" => (200, self.send(received)),
            "/_index_template/reservations" => {
                self.template = true;
                (200, r#"{"acknowledged":true}"#.to_owned())
            }
            "/_plugins/_ism/policies/reservations" => (400, r#"{"error":"no handler found"}"#.to_owned()),
            _ => (404, "{}".to_owned()),
        }
    }

    fn bulk(&mut self, received: &Received) -> (u16, String) {
        if !self.template {
            self.wrong.push("a document before the template".to_owned());
        }
        if received.body.len() > 10 * 1024 * 1024 {
            self.wrong.push("a request above 10 MiB".to_owned());
        }
        let text = String::from_utf8(received.body.clone()).unwrap();
        if self.spoilt && text.contains("poison") {
            return (400, r#"{"error":"malformed"}"#.to_owned());
        }
        let lines: Vec<&str> = text.lines().collect();
        let mut items = Vec::new();
        for pair in lines.chunks(2) {
            let action: Value = serde_json::from_str(pair[0]).unwrap();
            let id = action["create"]["_id"].as_str().unwrap().to_owned();
            let status = match self.below(4) {
                _ if pair[1].contains("poison") && !self.unlucky() => 400,
                kind if self.unlucky() => [429, 500, 503, 429][kind as usize],
                _ if pair[1].contains("poison") => 400,
                _ if self.stored.contains_key(&id) => 409,
                _ => {
                    self.stored.insert(id, pair[1].to_owned());
                    201
                }
            };
            let mut item = json!({ "create": { "status": status } });
            if status == 400 {
                item["create"]["error"] = json!({ "type": "mapper_parsing_exception", "reason": "poison" });
            }
            items.push(item);
        }
        (200, json!({ "errors": true, "items": items }).to_string())
    }

    /// Answers SendMessageBatch.
    fn send(&mut self, received: &Received) -> String {
        assert_eq!(received.header("x-amz-target"), Some("AmazonSQS.SendMessageBatch"));
        assert!(received.header("authorization").unwrap().contains("/sqs/aws4_request"));
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(request["QueueUrl"], QUEUE);
        let entries = request["Entries"].as_array().unwrap();
        assert!((1..=10).contains(&entries.len()));
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            if self.unlucky() {
                failed.push(json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }));
                continue;
            }
            successful.push(json!({ "Id": entry["Id"], "MessageId": "m" }));
            let body: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
            assert_eq!((&body["log_group"], &body["log_stream"]), (&json!("/sendy/reservation"), &json!("s")));
            assert!(body["reason"].as_str().unwrap().contains("400") && body["message"].to_string().contains("poison"));
            self.failed.insert(body["id"].as_str().unwrap().to_owned());
        }
        json!({ "Successful": successful, "Failed": failed }).to_string()
    }
}

const QUEUE: &str = "https://sqs.ap-northeast-2.amazonaws.com/123456789012/forwarder-failed";

fn forwarder(address: SocketAddr, queue: bool) -> Forwarder {
    let here = format!("http://{address}");
    let mut variables = vec![
        ("SEARCH_ENDPOINT", here.as_str()),
        ("AWS_ENDPOINT_URL_SQS", here.as_str()),
        ("INDEX_PREFIX", "reservations"),
        ("AWS_REGION", "ap-northeast-2"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    if queue {
        variables.push(("FAILED_QUEUE_URL", QUEUE));
    }
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let environment: Environment = variables.into_iter().map(own).collect();
    let mut config = config::Forwarder::read(&environment).unwrap();
    config.first_pause = Duration::from_millis(1);
    Forwarder::new(config).unwrap()
}

fn serve(world: &Arc<Mutex<World>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let world = world.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(received) = receive(&stream) else { continue };
            let reply = world.lock().unwrap().reply(&received);
            answer(&stream, reply);
        }
    });
    address
}

fn answer(mut stream: &TcpStream, reply: Reply) {
    let (status, body, length) = match reply {
        Reply::Whole(status, body) => (status, body.clone(), body.len()),
        Reply::Cut(body, length) => (200, body, length),
    };
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    if !body.is_empty() || status != 200 {
        let _ = stream.write_all(head.as_bytes());
    }
    let _ = stream.write_all(&body.as_bytes()[..length]);
    let _ = stream.shutdown(Shutdown::Both);
}

/// An event: its id, whether the search domain will ever take it, its message.
fn event(number: usize, place: usize) -> (String, bool, String) {
    let poison = (number + place) % 11 == 3;
    let word = if poison { "poison" } else { "서울" };
    let message = json!({ "event": "reservation.created", "departure": word, "place": place });
    (format!("{number}-{place}"), poison, message.to_string())
}

fn payload(events: &[(String, bool, String)]) -> Vec<u8> {
    let event = |(id, _, message): &(String, bool, String)| json!({ "id": id, "timestamp": 1_654_560_000_000_i64, "message": message });
    let plain = json!({
        "messageType": "DATA_MESSAGE", "logGroup": "/sendy/reservation", "logStream": "s",
        "logEvents": events.iter().map(event).collect::<Vec<_>>()
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain.to_string().as_bytes()).unwrap();
    json!({ "awslogs": { "data": BASE64_STANDARD.encode(gzip.finish().unwrap()) } }).to_string().into_bytes()
}
