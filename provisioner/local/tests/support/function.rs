//! Functions for tests: parts whose processes do what their events say.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use local::functions::config::{Asynchronous, Config};
use local::functions::{Counted, ask, part};
use local::http;
use local::supervisor::part::Part;
use serde_json::Value;

use super::{Stack, program};

pub struct Function {
    pub config: Config,
    pub port: u16,
    pub file: PathBuf,
    /// The file with the events that the function has seen, one in a line.
    pub seen: PathBuf,
}

impl Function {
    pub fn new(stack: &Stack, name: &str) -> Function {
        let state = stack.place().state().to_owned();
        let config = Config {
            name: format!("bell-dev-{name}"),
            arn: format!("arn:aws:lambda:eu-west-1:000000000000:function:bell-dev-{name}"),
            program: Path::new(env!("CARGO_BIN_EXE_handler")).to_owned(),
            arguments: Vec::new(),
            handler: "works".into(),
            memory_mb: 128,
            timeout_ms: 10_000,
            processes: 8,
            reserved: false,
            directory: state.join(format!("data-{name}")),
            sources: Vec::new(),
            asynchronous: Asynchronous { retries_ms: vec![50, 100], failed_queue: None },
        };
        let (file, seen) = (state.join(format!("{name}.json")), state.join(format!("{name}.seen")));
        Function { config, port: free_port(), file, seen }
    }

    pub fn part(&self, name: &str) -> Part {
        part::prepare(&self.file, &self.config).unwrap();
        self.with_environment(part::part(name, program(), &self.file, self.port, &self.config).unwrap())
    }

    pub fn once(&self, name: &str) -> Part {
        part::prepare(&self.file, &self.config).unwrap();
        self.with_environment(part::once(name, program(), &self.file, self.port, &self.config).unwrap())
    }

    pub fn invoke(&self, event: &Value) -> Result<Value, String> {
        let answer = ask::invoke(self.port, &self.config.name, &event.to_string(), Duration::from_secs(30));
        answer.map(|answer| serde_json::from_slice(&answer).unwrap()).map_err(|error| format!("{error:#}"))
    }

    pub fn raw(&self, kind: &str, event: &str) -> http::Answer {
        let path = format!("/2015-03-31/functions/{}/invocations", self.config.arn.replace(':', "%3A"));
        let headers = [("Authorization", "any"), ("X-Amz-Invocation-Type", kind)];
        http::ask(self.port, "POST", &path, &headers, Some(event), Duration::from_secs(30)).unwrap()
    }

    pub fn hand_over(&self, event: &Value) {
        ask::hand_over(self.port, &self.config.name, &event.to_string()).unwrap();
    }

    pub fn counts(&self) -> Counted {
        ask::counts(self.port).unwrap()
    }

    /// The counts, or `None` if the part does not answer. After a kill the supervisor says for a moment that it is ready.
    pub fn counts_if_up(&self) -> Option<Counted> {
        ask::counts(self.port).ok()
    }

    pub fn seen(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.seen).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn with_environment(&self, mut part: Part) -> Part {
        part.env.insert("SEEN".into(), self.seen.display().to_string());
        part
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
