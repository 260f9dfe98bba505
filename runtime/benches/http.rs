//! This benchmark measures what a request costs. The server has one core. The load, the databases and the cache have
//! the other.
//!
//!     cargo bench -p runtime --profile runtime --bench http
//!
//! A word behind the command (`-- POST`) picks the measurements that have it in their names. The benchmark prints the
//! requests per second, the 99th percentile, and the processor time of the server for each request. Only the processor
//! time is good for comparisons: the other numbers say what this machine had left. It needs
//! `taskset`, MariaDB and Redis (provisioner/setup.sh).

#![allow(clippy::print_stdout, reason = "what was measured goes to standard output")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::engines::{self, APP, Engine, Maria, OWNER, SCHEMA, TOKEN};
use support::{connect, until};

const CONNECTIONS: usize = 32;
const ROWS: usize = 60_000;
const SECONDS: u64 = 6;
/// Seconds of a clock tick, the unit of `/proc`.
const TICK: f64 = 0.01;

fn main() {
    // Without a test harness cargo still passes `--bench`; with `cargo test --benches` there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // This process, and everything that it starts except the servers, runs on the second core.
    let own = std::process::id().to_string();
    assert!(Command::new("taskset").args(["-a", "-cp", "1", &own]).stdout(Stdio::null()).status().unwrap().success());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(bench());
}

async fn bench() {
    let directory = tempfile::tempdir().unwrap();
    let (primary, replica) = engines::pair(directory.path()).await;
    let cache = engines::redis(&directory.path().join("c"), &[]);
    let topic = null_topic();
    println!("{:<44} {:>9} {:>9} {:>12}", "", "requests/s", "p99 ms", "CPU us/request");

    start_up();
    let reservation = Server::start("reservation", &primary, &replica, &cache, topic);
    let lookup = Server::start("lookup", &primary, &replica, &cache, topic);
    primary
        .run(&format!(
            "INSERT INTO {SCHEMA}.reservations (departure, destination, date, user_name) \
             SELECT '서울', '부산', '2022-06-07', CONCAT('user ', seq) FROM {SCHEMA}.seq_1_to_{ROWS}"
        ))
        .await;
    let caught_up = format!("SELECT COUNT(*) FROM {SCHEMA}.reservations");
    while replica.number(&caught_up).await < ROWS as u64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The lookup service needs this time to learn how far the replica is behind.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let measured = |server: &Server, name: &str, request: &(dyn Fn(usize) -> String + Sync)| {
        if !name.contains(&only) {
            return;
        }
        measure(server, None, Duration::from_secs(1), request);
        measure(server, Some(name), Duration::from_secs(SECONDS), request);
    };
    measured(&lookup, "health", &|_| get("/healthz"));
    measured(&lookup, "cache hit", &|_| get("/reservations/1"));
    measured(&lookup, "replica read, and into the cache", &|at| get(&format!("/reservations/{}", at % ROWS + 1)));
    measured(&reservation, "POST with outbox rows, relay included", &|at| post(at));
    let outbox = format!("SELECT COUNT(*) FROM {SCHEMA}.effects");
    println!("rows still in the outbox: {}", primary.number(&outbox).await);
    println!(
        "memory after it: lookup {} MiB, reservation {} MiB",
        resident(&lookup.child),
        resident(&reservation.child)
    );
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(role: &str, primary: &Maria, replica: &Maria, cache: &Engine, topic: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], engines::free_port()));
        let ports = [primary.engine.port, replica.engine.port, cache.port, address.port()].map(|port| port.to_string());
        let child = Command::new("taskset")
            .args(["-c", "0", &program(), "serve", role])
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", &ports[3])
            .env("DATABASE_HOST", "127.0.0.1")
            .env("DATABASE_PORT", &ports[0])
            .env("DATABASE_REPLICA_HOST", "127.0.0.1")
            .env("DATABASE_REPLICA_PORT", &ports[1])
            .env("DATABASE_NAME", SCHEMA)
            .env("DATABASE_USER", APP.0)
            .env("DATABASE_PASSWORD", APP.1)
            .env("DATABASE_OWNER_USER", OWNER.0)
            .env("DATABASE_OWNER_PASSWORD", OWNER.1)
            .env("DATABASE_TLS", "off")
            .env("CACHE_HOST", "127.0.0.1")
            .env("CACHE_PORT", &ports[2])
            .env("CACHE_TOKEN", TOKEN)
            .env("CACHE_TLS", "off")
            .env("TOPIC_ARN", "arn:aws:sns:ap-northeast-2:123456789012:events")
            .env("AWS_ENDPOINT_URL", format!("http://{topic}"))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { child, address };
        until("the server to be ready", || {
            std::net::TcpStream::connect(address).ok()?;
            let answer = support::exchange(address, b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
        server
    }

    fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields begin after the name, which may have spaces in it.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
        ticks * TICK
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the time from the start of the program to its first answer, and the memory that it uses then.
fn start_up() {
    let address = SocketAddr::from(([127, 0, 0, 1], engines::free_port()));
    let started = Instant::now();
    let mut child = Command::new(program())
        .args(["serve", "hello"])
        .env_clear()
        .envs([("HOST", "127.0.0.1"), ("PORT", &address.port().to_string())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("an answer", || std::net::TcpStream::connect(address).ok());
    println!("start to listening: {:.0} ms, {} MiB", started.elapsed().as_secs_f64() * 1e3, resident(&child));
    let _ = child.kill();
    let _ = child.wait();
}

fn program() -> String {
    std::env::var("RUNTIME").unwrap_or_else(|_| env!("CARGO_BIN_EXE_runtime").to_owned())
}

fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Measures one request. The result is printed under its name. Without a name this only warms up.
fn measure(server: &Server, name: Option<&str>, time: Duration, request: &(dyn Fn(usize) -> String + Sync)) {
    let before = server.processor_seconds();
    let started = Instant::now();
    let next = std::sync::atomic::AtomicUsize::new(if name.is_some() { ROWS / 2 } else { 0 });
    let mut latencies: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| client(server.address, started + time, &next, request))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let used = server.processor_seconds() - before;
    latencies.sort_by(f64::total_cmp);
    if let Some(name) = name {
        let count = latencies.len() as f64;
        let p99 = latencies[latencies.len() * 99 / 100] * 1e3;
        println!("{name:<44} {:>9.0} {p99:>9.2} {:>12.1}", count / elapsed, used / count * 1e6);
    }
}

/// A client with one connection, which sends one request after the other.
fn client(
    address: SocketAddr,
    until: Instant,
    next: &std::sync::atomic::AtomicUsize,
    request: &(dyn Fn(usize) -> String + Sync),
) -> Vec<f64> {
    let mut stream = connect(address);
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let request = request(at);
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if is_whole(&buffer[..filled]) {
                break;
            }
        }
        latencies.push(sent.elapsed().as_secs_f64());
        assert!(buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&buffer[..filled]));
    }
    latencies
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    answer.len() >= end + 4 + length.unwrap_or(0)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

fn post(at: usize) -> String {
    let body = format!(r#"{{"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"user {at}"}}"#);
    let length = body.len();
    format!(
        "POST /reservations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// A topic that takes each event as SNS would, on connections that stay open. The benchmark counts what it costs the
/// server to publish an event, and not what happens to the event then.
fn null_topic() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || take(stream));
        }
    });
    address
}

/// Takes one request. `None` if the client is gone.
fn take(stream: std::net::TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let answer = answer(&String::from_utf8_lossy(&body));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", answer.len());
        (&stream).write_all((head + &answer).as_bytes()).ok()?;
    }
}

fn answer(body: &str) -> String {
    let ids = body.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.starts_with("PublishBatchRequestEntries") && name.ends_with(".Id")).then_some(value)
    });
    let members: String = ids.map(|id| format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>")).collect();
    format!(
        "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
         <Successful>{members}</Successful><Failed/></PublishBatchResult></PublishBatchResponse>"
    )
}
