//! This benchmark measures how many documents the forwarder ships in a second on one core: `cargo bench -p runtime
//! --bench forwarder`.
//!
//! The forwarder runs on this thread. It speaks real HTTP over loopback to a sink on another thread, which takes
//! everything. Only the processor time of this thread counts, with the kernel's time for its sockets. The payloads are
//! as CloudWatch Logs sends them: 500 events of some 300 bytes, zipped, in base64, in JSON.
#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::config::{self, Environment};
use runtime::forwarder::Forwarder;
use serde_json::json;

const EVENTS: usize = 500;
const WANTED: f64 = 20_000.0;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

fn main() {
    let forwarder = forwarder(sink());
    let payloads: Vec<_> = (0..20).map(payload).collect();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let forward = |payload: &Vec<u8>| {
        let tally = tokio.block_on(forwarder.handle(payload, Duration::from_secs(60))).unwrap();
        assert_eq!(tally.stored, EVENTS);
        tally.stored
    };
    // The first payload installs the template. All of them warm what can be warmed.
    payloads.iter().for_each(|payload| {
        forward(payload);
    });
    println!("{EVENTS} events a payload, {} bytes as they come", payloads[0].len());
    let mut best = 0.0_f64;
    for round in 1..=ROUNDS {
        let (started, used, mut documents) = (Instant::now(), processor_time(), 0);
        while started.elapsed() < ROUND {
            documents += payloads.iter().map(forward).sum::<usize>();
        }
        let (used, elapsed) = ((processor_time() - used).as_secs_f64(), started.elapsed().as_secs_f64());
        let rate = documents as f64 / used;
        best = best.max(rate);
        println!(
            "round {round}: {documents} documents, {:.1} us each, {rate:.0} per second and core ({:.0} % of a core)",
            used * 1e6 / documents as f64,
            100.0 * used / elapsed,
        );
    }
    println!("best: {best:.0} documents per second and core, {:.1} times the {WANTED:.0} wanted", best / WANTED);
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn forwarder(sink: SocketAddr) -> Forwarder {
    let variables = [
        ("SEARCH_ENDPOINT", format!("http://{sink}")),
        ("INDEX_PREFIX", "reservations".to_owned()),
        ("AWS_REGION", "ap-northeast-2".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
    ];
    let environment: Environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Forwarder::new(config::Forwarder::read(&environment).unwrap()).unwrap()
}

/// A search domain that says of every event that it is stored, in the words of the real one.
fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let item = |place: usize| {
        json!({ "create": {
            "_index": "reservations-2022.06.07", "_id": id(place), "_version": 1, "result": "created",
            "_shards": { "total": 2, "successful": 2, "failed": 0 }, "_seq_no": place, "_primary_term": 1, "status": 201
        } })
    };
    let items: Vec<_> = (0..EVENTS).map(item).collect();
    let answer = json!({ "took": 30, "errors": false, "items": items }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            take(&stream);
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn take(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
}

fn id(place: usize) -> String {
    format!("3718{:052}", place)
}

/// A payload with a log line of the reservation service for each event. No two lines are alike.
fn payload(number: usize) -> Vec<u8> {
    let event = |place: usize| {
        let unlike = (number * EVENTS + place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let message = json!({
            "timestamp": format!("2022-06-07T00:00:{:02}.{:09}Z", place % 60, unlike % 1_000_000_000),
            "level": "info", "event": "reservation.created", "service": "reservation",
            "request_id": format!("{unlike:032x}"), "trace_id": format!("{:032x}", unlike.rotate_left(17)),
            "reservation_id": place, "departure": "서울", "destination": "부산", "date": "2022-06-07",
            "user_name": "peachdo", "latency_ms": (unlike % 9999) as f64 / 1000.0
        });
        json!({ "id": id(place), "timestamp": 1_654_560_000_000_i64 + place as i64, "message": message.to_string() })
    };
    let plain = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/sendy/prod/reservation",
        "logStream": "reservation/reservation/0123456789abcdef0123456789abcdef", "subscriptionFilters": ["reservation"],
        "logEvents": (0..EVENTS).map(event).collect::<Vec<_>>()
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain.to_string().as_bytes()).unwrap();
    json!({ "awslogs": { "data": BASE64_STANDARD.encode(gzip.finish().unwrap()) } }).to_string().into_bytes()
}
