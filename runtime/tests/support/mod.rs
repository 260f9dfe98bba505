//! The binary as a child process, and the smallest HTTP server that can play AWS. Every wait has a deadline.
#![allow(dead_code, reason = "each test uses a part")]

pub mod engines;
pub mod lambda;
pub mod mrmrthon;
pub mod msa_study;
pub mod sendy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Every line so far, for tests that look for a text that must be in none of them.
    pub seen: Vec<String>,
}

impl Process {
    /// Starts the binary with these variables only: the variables of a developer must not decide a test.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_runtime"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Process { child, lines, seen: Vec::new() }
    }

    /// The next line of this event. Every line on the way must be JSON.
    pub fn line(&mut self, event: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no `{event}` after {:#?}", self.seen);
            };
            let value: Value = serde_json::from_str(&line).expect(&line);
            self.seen.push(line);
            if value["event"] == event {
                return value;
            }
        }
    }

    /// A line of each of these events, in any order.
    pub fn each_of(&mut self, events: &[&str]) -> Vec<Value> {
        let deadline = Instant::now() + DEADLINE;
        let mut found: Vec<Value> = Vec::new();
        while found.len() < events.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("not all of {events:?} in {:#?}", self.seen);
            };
            let value: Value = serde_json::from_str(&line).expect(&line);
            self.seen.push(line);
            let wanted = events.iter().any(|event| value["event"] == *event);
            if wanted && found.iter().all(|other| other["event"] != value["event"]) {
                found.push(value);
            }
        }
        found
    }

    /// Reads the lines that are there, without waiting for more.
    pub fn drain(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// The most memory that the process ever had, in MiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
    }

    /// Kills the process as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn exit(&mut self) -> ExitStatus {
        until("the process to end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends bytes as they are, and gives all bytes that come back until the connection is closed.
pub fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    // A server may refuse a large request before it has read all of it.
    let _ = stream.write_all(request);
    read(&mut stream)
}

pub fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[derive(Debug)]
pub struct Received {
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        let line = self.head.lines().find(named)?;
        Some(line[name.len() + 1..].trim())
    }
}

/// Answers each request with what `answer` gives: a status, header lines, a body.
pub fn server(answer: impl Fn(&Received) -> (u16, String, String) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let received = receive(&stream)?;
                let (status, headers, body) = answer(&received);
                let length = body.len();
                (&stream)
                    .write_all(
                        format!(
                            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
                        )
                        .as_bytes(),
                    )
                    .ok()
            });
        }
    });
    address
}

pub fn receive(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut head = String::new();
    while reader.read_line(&mut head).ok()? > 2 {}
    // A client that was killed in the middle of a request has sent none.
    if !head.ends_with("\r\n\r\n") {
        return None;
    }
    let mut received = Received { line: line.trim().to_owned(), head, body: Vec::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    received.body.resize(length, 0);
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}
