//! `runtime serve hello` and `runtime health`, over real connections.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use support::{DEADLINE, Process, connect, exchange, read, until};

fn hello(variables: &[(&str, &str)]) -> (Process, SocketAddr) {
    let loopback = [("HOST", "127.0.0.1"), ("PORT", "0")];
    let mut process = Process::start(&["serve", "hello"], &[&loopback, variables].concat());
    let address = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
    (process, address)
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn every_path_is_answered() {
    let (_process, address) = hello(&[("SERVICE_NAME", "lookup")]);
    let healthy = get(address, "/healthz");
    assert!(healthy.starts_with("HTTP/1.1 200"), "{healthy}");
    assert_eq!(body(&healthy), json!({ "status": "ok" }));
    for path in ["/", "/a/b", "//", "/%00?q=1"] {
        let answer = get(address, path);
        let shown = path.split('?').next().unwrap();
        assert_eq!(body(&answer), json!({ "message": "hello", "service": "lookup", "path": shown }));
    }
    let head = exchange(address, b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let post = exchange(address, b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
    assert!(post.contains("allow: GET,HEAD\r\n") && post.contains("content-type: application/json\r\n"), "{post}");
    assert_eq!(body(&post)["message"], "this path has no such method");
}

#[test]
fn each_request_is_one_line_of_json_under_its_id() {
    let (mut process, address) = hello(&[("DATABASE_PASSWORD", "hunter2")]);
    let answer = exchange(
        address,
        b"GET /a?token=hunter2 HTTP/1.1\r\nhost: x\r\nx-request-id: abc-1\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.contains("x-request-id: abc-1\r\n"), "{answer}");
    let mut line = process.line("request");
    let latency = line["latency_ms"].take();
    assert!(latency.as_f64().is_some_and(|ms| (0.0..5000.0).contains(&ms)), "{latency}");
    assert_eq!(line["trace_id"].take().as_str().map(str::len), Some(32));
    let timestamp = line["timestamp"].take();
    assert!(timestamp.as_str().is_some_and(|time| time.ends_with('Z')), "{timestamp}");
    assert_eq!(
        line,
        json!({
            "timestamp": null, "level": "info", "event": "request", "service": "hello", "request_id": "abc-1", "trace_id": null,
            "method": "GET", "path": "/a", "status": 200, "latency_ms": null
        })
    );
    get(address, "/");
    let made = process.line("request")["request_id"].as_str().unwrap().len();
    assert_eq!(made, 32);
    assert!(process.seen.iter().all(|line| !line.contains("hunter2")), "{:?}", process.seen);
}

#[test]
fn no_input_ends_it() {
    let (_process, address) = hello(&[]);
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1_000_000));
    let chunk = format!("100001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10_0001));
    let chunked =
        format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for (request, status) in [
        (&b"\x16\x03\x01\x00\xff\xff\r\n\r\n"[..], "400"),
        (b"GET / HTTP/9.9\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n", "413"),
        (chunked.as_bytes(), "413"),
        (large.as_bytes(), "431"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx-request-id: \xff\xfe\r\nconnection: close\r\n\r\n", "200"),
    ] {
        let answer = exchange(address, request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]);
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {answer}");
    }
    // The clients leave in the middle of a request, and of a body.
    drop(connect(address));
    connect(address).write_all(b"GET / HT").unwrap();
    connect(address).write_all(b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab").unwrap();
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_request_in_flight_is_answered_after_sigterm() {
    let (mut process, address) = hello(&[]);
    let mut idle = connect(address);
    let mut busy = connect(address);
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").unwrap();
    // The server asks for the body, so it has the request in its hands.
    let mut interim = [0; 25];
    busy.read_exact(&mut interim).unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    process.line("request");

    process.terminate();
    assert_eq!(process.line("stopping")["signal"], "SIGTERM");
    until("the port to close", || TcpStream::connect_timeout(&address, DEADLINE).err());
    assert!(read(&mut idle).starts_with("HTTP/1.1 200"), "an idle connection is closed at once");

    busy.write_all(b"body").unwrap();
    assert!(read(&mut busy).starts_with("HTTP/1.1 200"));
    assert_eq!(process.line("stopped")["abandoned_connections"], 0);
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn health_is_the_exit_code() {
    let (mut process, address) = hello(&[]);
    let port = address.port().to_string();
    let health = |port: &str| Process::start(&["health"], &[("PORT", port)]).exit().code();
    assert_eq!(health(&port), Some(0));
    process.terminate();
    assert_eq!(process.exit().code(), Some(0));
    assert_eq!(health(&port), Some(1));
    assert_eq!(health("hunter2"), Some(1));
}

#[test]
fn mistakes_in_the_environment_are_told_at_once() {
    let mut process = Process::start(&["serve", "hello"], &[("PORT", "hunter2"), ("LOG_LEVEL", "hunter2")]);
    assert_eq!(
        process.line("failed")["message"],
        "configuration: PORT is not a port number; LOG_LEVEL is not one of debug, info, warn, error"
    );
    assert_eq!(process.exit().code(), Some(1));
    assert_eq!(Process::start(&[], &[]).exit().code(), Some(1));
    assert_eq!(Process::start(&["serve", "nothing"], &[]).exit().code(), Some(2));
}
