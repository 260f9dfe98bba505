//! A stack that sells on this machine, and a factory that only writes down what it is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Laptop, send};

pub const SKU: &str = "CP-502101";

pub struct Selling {
    pub laptop: Laptop,
    /// The host of the HTTP API.
    pub api: String,
    /// The host of the load balancer.
    pub balancer: String,
}

impl Selling {
    /// Starts a stack of the repository, with some texts replaced.
    pub fn open(name: &str, changes: &[(&str, &str)]) -> Selling {
        let file = format!("{}/../stacks/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let laptop = Laptop::of(name, &std::fs::read_to_string(file).unwrap());
        for (from, to) in changes {
            laptop.change(from, to);
        }
        laptop.done(&["up", "--yes"]);
        let outputs: Value = serde_json::from_slice(&laptop.run(&["outputs", "--json"]).stdout).unwrap();
        let host = |output: &str| outputs[output].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Selling { api: host("functions.address"), balancer: host("services.address"), laptop }
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        send(&self.api, method, path, &all, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// The status and the body of an answer.
    pub fn told(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let answer = self.ask(method, path, headers, body);
        format!("{} {}", answer.status, answer.body)
    }

    /// The answer of the balancer.
    pub fn factory(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        send(&self.balancer, method, path, &all, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    pub fn key(&self) -> String {
        let states = std::fs::read_dir(self.laptop.home().join("stacks")).unwrap();
        let state = states.flatten().next().unwrap().path();
        let keys: Value = serde_json::from_slice(&std::fs::read(state.join("keys.json")).unwrap()).unwrap();
        keys["admin-key"].as_str().unwrap().to_owned()
    }

    /// The messages of a queue that can be seen and those that were received.
    pub fn depth(&self, queue: &str) -> u64 {
        let all = self.laptop.status()["queues"].take();
        let all = all.as_array().unwrap().iter().filter(|it| it["name"] == queue);
        all.map(|it| it["visible"].as_u64().unwrap_or(0) + it["in_flight"].as_u64().unwrap_or(0)).sum()
    }

    /// Calls an action of SQS on a queue.
    pub fn sqs(&self, queue: &str, action: &str, mut body: Value) -> Value {
        let outputs: Value = serde_json::from_slice(&self.laptop.run(&["outputs", "--json"]).stdout).unwrap();
        let url = outputs[format!("queues.{queue}.url")].as_str().unwrap().to_owned();
        let host = url.split('/').nth(2).unwrap().to_owned();
        body["QueueUrl"] = url.into();
        let target = format!("AmazonSQS.{action}");
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target.as_str()),
            ("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/ap-northeast-2/sqs/aws4_request"),
        ];
        let answer = send(&host, "POST", "/", &headers, &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{action}: {}", answer.body);
        answer.json()
    }

    /// The envelopes in a queue, which stay there.
    pub fn peek(&self, queue: &str) -> Vec<Value> {
        let asked = json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
        let received = self.sqs(queue, "ReceiveMessage", asked);
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()).collect()
    }
}

/// A request that a factory got.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub head: String,
    pub body: String,
}

/// A factory of the test: it writes down each request, and answers with the status that is set.
pub struct Factory {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    /// Its answer, as HTTP has it.
    pub answer: Arc<Mutex<String>>,
}

impl Factory {
    pub fn open() -> Factory {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let answer = Arc::new(Mutex::new("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n".to_owned()));
        let (seen, said) = (Arc::clone(&asked), Arc::clone(&answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, said) = (Arc::clone(&seen), Arc::clone(&said));
                thread::spawn(move || {
                    if let Some(asked) = read(&stream) {
                        seen.lock().unwrap().push(asked);
                    }
                    let answer = said.lock().unwrap().clone();
                    let _ = (&stream).write_all(answer.as_bytes());
                });
            }
        });
        Factory { url, asked, answer }
    }

    pub fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(mut stream: &TcpStream) -> Option<Asked> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let line = head.lines().next()?.to_owned();
                return Some(Asked { line, head: head.to_lowercase(), body: body.to_owned() });
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => bytes.extend(&chunk[..read]),
        }
    }
}
