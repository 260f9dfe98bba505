//! What clients can make a service cost: those who say nothing, those who read nothing, a thousand at a time. Memory stays below a
//! bound, the health check is answered, and so are honest clients.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use support::engines::SCHEMA;
use support::sendy::{Answer, Sendy, Service, send};
use support::{Process, connect, until};

/// MiB, of a task that has 512.
const BOUND: u64 = 256;
const CLIENTS: usize = 1000;

fn hello() -> (Process, SocketAddr) {
    let mut process = Process::start(&["serve", "hello"], &[("HOST", "127.0.0.1"), ("PORT", "0")]);
    let address = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
    (process, address)
}

fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], "")
}

/// Clients that send this and then do nothing.
fn silent(address: SocketAddr, count: usize, sent: &str) -> Vec<TcpStream> {
    // The tests of this file run side by side, and have some thousand sockets together.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let client = || {
        let mut client = connect(address);
        client.write_all(sent.as_bytes()).unwrap();
        client
    };
    (0..count).map(|_| client()).collect()
}

#[test]
fn half_sent_headers_keep_nobody_out() {
    let (process, address) = hello();
    let _clients = silent(address, CLIENTS, "GET / HTTP/1.1\r\nhost: x\r\nx: ");
    // Who has just come is not silent yet. Until then a spare place answers.
    for _ in 0..50 {
        let healthy = get(address, "/healthz");
        assert_eq!((healthy.status, healthy.json()), (200, json!({ "status": "ok" })));
    }
    until("an honest client to be answered", || (get(address, "/").status == 200).then_some(()));
    assert!(process.peak_memory() < BOUND, "{} MiB", process.peak_memory());
}

#[test]
fn requests_that_do_not_end_leave_room_for_the_health_check() {
    let (_process, address) = hello();
    let _clients = silent(address, CLIENTS, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nx");
    until("all places to be taken", || (get(address, "/").status == 503).then_some(()));
    let refused = get(address, "/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(refused.json()["error"]["code"], "service_unavailable");
    for _ in 0..50 {
        assert_eq!(get(address, "/healthz").status, 200);
    }
    until("the bodies to have had their time", || (get(address, "/").status == 200).then_some(()));
}

#[test]
fn what_is_no_request_is_refused_in_json() {
    let (_process, address) = hello();
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1_000_000));
    for (sent, status) in [("nonsense\r\n\r\n", 400), ("GET / HTTP/9.9\r\n\r\n", 400), (long.as_str(), 431)] {
        let refused = Answer::parse(&support::exchange(address, sent.as_bytes()));
        assert_eq!(refused.status, status, "{sent:.40}");
        let body: Value = refused.json();
        assert!(body["message"].is_string() && body["error"]["message"] == body["message"], "{refused:?}");
    }
}

#[test]
fn a_long_path_is_short_in_the_log() {
    let (mut process, address) = hello();
    assert_eq!(get(address, &format!("/{}", "a".repeat(20_000))).status, 200);
    let path = process.line("request")["path"].as_str().unwrap().len();
    assert!((1024..1100).contains(&path), "{path}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_have_a_bound() {
    let sendy = Sendy::new().await;
    let [_write, read, notify] = sendy.services();
    let text = "가".repeat(200);
    let rows = |from: u32, row: &dyn Fn(u32) -> String| (from..from + 1000).map(row).collect::<Vec<_>>().join(", ");
    for from in [0, 1000, 2000] {
        let reservation = |_| format!("('{text}', '{text}', '2022-06-07', '{text}')");
        let columns = "departure, destination, date, user_name";
        sendy
            .primary
            .run(&format!("INSERT INTO {SCHEMA}.reservations ({columns}) VALUES {}", rows(from, &reservation)))
            .await;
        let item = json!({ "reservationId": 1, "action": "x", "text": text }).to_string();
        let item = |id: u32| format!("({}, {}, 1, '{item}')", id + 1, id + 1);
        let columns = "id, reservation_id, version, item";
        sendy
            .primary
            .run(&format!("INSERT INTO {SCHEMA}.notifications ({columns}) VALUES {}", rows(from, &item)))
            .await;
    }
    sendy.primary.run(&format!("UPDATE {SCHEMA}.feed SET last = 3000 WHERE id = 1")).await;

    let page = |answer: Answer| (answer.status, answer.json().as_array().map(Vec::len));
    assert_eq!(page(read.get("/reservations")), (200, Some(500)));
    assert_eq!(page(read.get("/reservations?limit=10000")), (200, Some(1000)));
    assert_eq!(page(notify.get("/notifications?after=0&limit=10000")), (200, Some(1000)));

    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    // Ten at once on each connection, since a kernel takes the first answers off the process's hands.
    let lists = silent(read.address, 100, &ask("/reservations?limit=1000").repeat(10));
    let feeds = silent(notify.address, 100, &ask("/notifications?after=0&limit=1000").repeat(10));
    let streams = silent(notify.address, 700, &ask("/notifications/stream?after=0"));
    for _ in 0..20 {
        for service in [&read, &notify] {
            assert_eq!(send(service.address, "GET", "/healthz", &[], "").status, 200);
        }
        // Everything may be taken for a moment: 503, and later the answer.
        let honest = |service: &Service, path: &str| {
            until("an honest client to be answered", || {
                let answer = service.get(path);
                assert!([200, 503].contains(&answer.status), "{answer:?}");
                (answer.status == 200).then_some(answer)
            })
        };
        assert_eq!(honest(&read, "/reservations/1").json()["id"], 1);
        assert_eq!(page(honest(&notify, "/notifications?after=2999")), (200, Some(1)));
        support::engines::pause(100).await;
    }
    for service in [&read, &notify] {
        let peak = service.process.peak_memory();
        assert!(peak < BOUND, "{}: {peak} MiB", service.role);
    }
    drop((lists, feeds, streams));
}
