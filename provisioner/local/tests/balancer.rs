//! The balancer in front of small servers that say what they were asked.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was measured")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use local::balancer::config::{Config, Group, Health, Rule};
use local::balancer::{part, serve};
use support::{Stack, program, until};
use tokio::sync::watch;

/// A server that answers each request with its own name, the request's head and its body, one request a connection.
/// `/bad` gives a broken answer, `/slow` none, `/events` a line now and one when the next byte of the request comes.
struct Target {
    address: SocketAddr,
    healthy: Arc<AtomicBool>,
}

impl Target {
    fn new(name: &'static str) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let healthy = Arc::new(AtomicBool::new(true));
        let health = healthy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let health = health.clone();
                std::thread::spawn(move || Target::answer(stream.unwrap(), name, &health));
            }
        });
        Target { address, healthy }
    }

    fn answer(mut stream: TcpStream, name: &str, healthy: &AtomicBool) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let head = head(&mut reader);
        let path = head.split(' ').nth(1)?;
        let status = if path == "/health" && !healthy.load(Ordering::Relaxed) { 500 } else { 200 };
        match path {
            "/bad" => write!(stream, "what?\r\n\r\n").ok()?,
            "/slow" => std::thread::sleep(Duration::from_secs(5)),
            "/events" => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n").ok()?;
                // The body of the request, in chunks, as it comes.
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                reader.read_line(&mut line).ok()?;
                // The line is written at once, or it would come in two chunks.
                stream.write_all(format!("data: {}\n\n", line.lines().nth(1)?).as_bytes()).ok()?;
            }
            _ => {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).ok()?;
                let text = format!("{name}\n{head}\n{}", body.len());
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                    text.len()
                )
                .ok()?;
            }
        }
        Some(())
    }
}

fn head(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    head
}

fn group(targets: &[SocketAddr]) -> Group {
    let health = Health { path: "/health".into(), interval_ms: 20, timeout_ms: 200, ..Health::default() };
    Group { targets: targets.to_vec(), health }
}

fn rule(priority: u32, path: &str, methods: &[&str], group: &str) -> Rule {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Rule { priority, paths: vec![path.into()], methods, hosts: vec![], group: group.into() }
}

/// A balancer that serves until the test ends.
fn balancer(config: Config, idle: Duration) -> (u16, watch::Sender<Arc<Config>>) {
    let (sender, receiver) = watch::channel(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve::serve(listener, receiver, idle, std::future::pending()).await.unwrap();
        });
    });
    (port, sender)
}

fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(port: u16, path: &str) -> String {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: shop.example:81\r\nConnection: close\r\n\r\n"))
}

fn who(answer: &str) -> &str {
    answer.split("\r\n\r\n").nth(1).unwrap().lines().next().unwrap_or_default()
}

#[test]
fn rules_headers_and_bodies_are_those_of_an_alb() {
    let (reader, writer) = (Target::new("reader"), Target::new("writer"));
    let groups = BTreeMap::from([
        ("reader".to_owned(), group(&[reader.address])),
        ("writer".to_owned(), group(&[writer.address])),
        ("empty".to_owned(), group(&[])),
    ]);
    let rules = vec![
        rule(10, "/r/*", &["GET", "HEAD"], "reader"),
        rule(20, "/r*", &[], "writer"),
        rule(30, "/nobody", &[], "empty"),
    ];
    let (port, _config) = balancer(Config { rules, groups }, Duration::from_secs(60));
    let answer = get(port, "/r/1?q=%2F&a");
    assert_eq!(who(&answer), "reader");
    for expected in [
        "GET /r/1?q=%2F&a HTTP/1.1",
        "host: shop.example:81",
        "x-forwarded-for: 127.0.0.1\r",
        "x-forwarded-proto: http\r",
        &format!("x-forwarded-port: {port}\r"),
        "x-amzn-trace-id: Root=1-",
    ] {
        assert!(answer.contains(expected), "{expected} in {answer}");
    }
    let body = "x".repeat(3 << 20);
    let length = body.len();
    let answer = ask(
        port,
        &format!(
            "POST /r/1 HTTP/1.1\r\nHost: a\r\nConnection: close, x-mine\r\nX-Mine: 1\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-Amzn-Trace-Id: Root=1-a-b\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    );
    assert_eq!((who(&answer), answer.ends_with(&length.to_string())), ("writer", true));
    assert!(answer.contains("x-forwarded-for: 1.2.3.4, 127.0.0.1\r") && answer.contains(";Root=1-a-b\r"), "{answer}");
    assert!(answer.contains("x-amzn-trace-id: Self=1-") && !answer.contains("x-mine"), "{answer}");
    assert!(get(port, "/R/1").starts_with("HTTP/1.1 404 Not Found\r\n"));
    let answer = get(port, "/nobody");
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && answer.contains("server: awselb/2.0"),
        "{answer}"
    );
    assert!(answer.contains("<h1>503 Service Temporarily Unavailable</h1>"));
}

#[test]
fn unhealthy_targets_get_nothing_and_a_new_configuration_counts_at_once() {
    let targets = ["a", "b", "c"].map(Target::new);
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = [targets[0].address, targets[1].address, dead];
    let config = |targets: &[SocketAddr]| Config {
        rules: vec![rule(1, "*", &[], "all")],
        groups: BTreeMap::from([("all".to_owned(), group(targets))]),
    };
    let (port, sender) = balancer(config(&addresses), Duration::from_millis(700));
    let seen = || {
        let mut seen: Vec<String> = (0..12).map(|_| who(&get(port, "/")).to_owned()).collect();
        seen.sort();
        seen.dedup();
        seen.join("")
    };
    until("both healthy ones", || (seen() == "ab").then_some(()));
    targets[0].healthy.store(false, Ordering::Relaxed);
    until("the other one", || (seen() == "b").then_some(()));
    targets[1].healthy.store(false, Ordering::Relaxed);
    // None is healthy. All of them get requests, the dead one too, whose answers are 502.
    until("all of them", || (seen() == "<html>ab").then_some(()));
    targets[0].healthy.store(true, Ordering::Relaxed);
    until("the first one again", || (seen() == "a").then_some(()));
    assert!(get(port, "/bad").starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    let begin = Instant::now();
    assert!(get(port, "/slow").starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
    assert!(begin.elapsed() < Duration::from_secs(4));
    sender.send(Arc::new(config(&[targets[2].address]))).unwrap();
    until("the new one", || (seen() == "c").then_some(()));
}

#[test]
fn what_is_healthy_is_said_and_the_young_have_their_grace() {
    let (plain, odd) = (Target::new("plain"), Target::new("odd"));
    odd.healthy.store(false, Ordering::Relaxed);
    let config = |success: &[(u16, u16)], grace_ms| {
        let all = group(&[plain.address, odd.address]);
        let health = Health { success: success.to_vec(), grace_ms, ..all.health };
        let groups = BTreeMap::from([("all".to_owned(), Group { health, ..all })]);
        Config { rules: vec![rule(1, "*", &[], "all")], groups }
    };
    let (port, sender) = balancer(config(&[(200, 299), (500, 500)], 0), Duration::from_secs(60));
    let seen = || {
        let mut seen: Vec<String> = (0..8).map(|_| who(&get(port, "/")).to_owned()).collect();
        seen.sort();
        seen.dedup();
        seen.join(" ")
    };
    until("both", || (seen() == "odd plain").then_some(()));
    sender.send(Arc::new(config(&[(500, 500)], 0))).unwrap();
    until("the one whose answer counts", || (seen() == "odd").then_some(()));
    odd.healthy.store(true, Ordering::Relaxed);
    sender.send(Arc::new(config(&[(200, 200)], 60_000))).unwrap();
    until("both again", || (seen() == "odd plain").then_some(()));
    odd.healthy.store(false, Ordering::Relaxed);
    // In this time there are many times as many checks as would have done.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(seen(), "odd plain", "it has only come up");
    sender.send(Arc::new(config(&[(200, 200)], 0))).unwrap();
    until("the healthy one", || (seen() == "plain").then_some(()));
}

#[test]
fn events_come_as_they_are_sent_and_requests_go_as_they_are_written() {
    let target = Target::new("a");
    let groups = BTreeMap::from([("all".to_owned(), group(&[target.address]))]);
    let (port, _config) = balancer(Config { rules: vec![rule(1, "*", &[], "all")], groups }, Duration::from_secs(60));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "POST /events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert!(head(&mut reader).starts_with("HTTP/1.1 200 OK\r\n"));
    let mut next = |wanted: &str| {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "no {wanted}");
        }
    };
    next("data: one");
    write!(stream, "5\r\nhello\r\n").unwrap();
    next("data: hello");
}

#[test]
fn as_a_part_it_takes_a_new_file_without_a_restart() {
    let stack = Stack::named("상태 디렉터리");
    let (first, second) = (Target::new("first"), Target::new("second"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = stack.place().state().join("balancer.json");
    let config = |target: &Target| Config {
        rules: vec![rule(1, "*", &[], "all")],
        groups: BTreeMap::from([("all".to_owned(), group(&[target.address]))]),
    };
    part::prepare(&file, &config(&first)).unwrap();
    let parts = [part::part("balancer", program(), &file, port).unwrap()];
    stack.up_whole(&parts);
    assert_eq!(who(&get(port, "/")), "first");
    let pid = stack.pid("balancer");
    std::fs::write(&file, "{").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(who(&get(port, "/")), "first");
    part::prepare(&file, &config(&second)).unwrap();
    until("the other one", || (who(&get(port, "/")) == "second").then_some(()));
    stack.up_whole(&parts);
    assert_eq!(stack.pid("balancer"), pid);
    println!("the balancer's memory: {:?} KiB", stack.status("balancer").memory_kib);
}
