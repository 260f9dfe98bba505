//! The shop of `stacks/msa-study.yaml` on this machine, as tests use it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Answer, Laptop, send};

/// The patience with one request, and with the queues. After that the test fails.
pub const PATIENCE: Duration = Duration::from_secs(240);

pub struct Shop {
    pub laptop: Laptop,
    /// The host and the port of the HTTP API.
    pub host: String,
}

impl Shop {
    /// The shop, with a production that takes no time.
    pub fn open() -> Shop {
        Shop::with(&[])
    }

    /// The shop, in whose queues a message that a function has failed at comes back after seconds, and not after a minute.
    pub fn in_a_hurry() -> Shop {
        Shop::with(&[
            ("max_receives: 5", "max_receives: 5, visibility_timeout: 4s"),
            ("    on: { queue: order-queue }", "    on: { queue: order-queue }\n    timeout: 4s"),
            ("    on: { queue: delivery-queue }", "    on: { queue: delivery-queue }\n    timeout: 4s"),
        ])
    }

    fn with(changes: &[(&str, &str)]) -> Shop {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/msa-study.yaml");
        let mut text = std::fs::read_to_string(file).unwrap();
        for (from, to) in [&[(", delay: 5s", "")], changes].concat() {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let laptop = Laptop::of("shop", &text);
        laptop.done(&["up", "--yes"]);
        let outputs: Value = serde_json::from_slice(&laptop.run(&["outputs", "--json"]).stdout).unwrap();
        let address = outputs["functions.address"].as_str().unwrap();
        assert_eq!(outputs["functions.shop.url"], address);
        let host = address.strip_prefix("http://").unwrap().to_owned();
        Shop { laptop, host }
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        send(&self.host, method, path, &all, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    pub fn told(&self, method: &str, path: &str, body: &str) -> String {
        let answer = self.ask(method, path, &[], body);
        format!("{} {}", answer.status, answer.body)
    }

    pub fn buy(&self, item: &str, quantity: &str) -> String {
        let body = format!(r#"{{"item_name": "{item}", "quantity": {quantity}, "requester": "jeonghun"}}"#);
        self.told("POST", "/item", &body)
    }

    pub fn stock(&self, item: &str) -> i64 {
        let all = self.ask("GET", "/item", &[], "").json();
        all.as_array().unwrap().iter().find(|it| it["name"] == item).unwrap()["quantity"].as_i64().unwrap()
    }

    pub fn key(&self) -> String {
        let keys: Value = serde_json::from_slice(&std::fs::read(self.state().join("keys.json")).unwrap()).unwrap();
        keys["admin-key"].as_str().unwrap().to_owned()
    }

    /// The folder of the stack's state.
    pub fn state(&self) -> PathBuf {
        let states = std::fs::read_dir(self.laptop.home().join("stacks")).unwrap();
        states.flatten().next().unwrap().path()
    }

    /// The rows of a query on one of the two databases, each column as text. `None` if the engine cannot be asked.
    pub fn rows(&self, database: &str, query: &str) -> Option<Vec<Vec<String>>> {
        let socket = self.state().join(format!("run/{database}.s"));
        let mut client = Command::new("mariadb");
        client.arg("--socket").arg(socket).args(["--user=root", "--batch", "--skip-column-names"]);
        client.args(["--database", database, "--execute", query]);
        let output = client.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let row = |line: &str| line.split('\t').map(str::to_owned).collect();
        output.status.success().then(|| text.lines().map(row).collect())
    }

    /// The queues, as `status` has them.
    pub fn queues(&self) -> Vec<Value> {
        self.laptop.status()["queues"].as_array().unwrap().clone()
    }

    /// Puts a message straight into a queue, and so past the topic.
    pub fn put(&self, queue: &str, body: &str) {
        let outputs: Value = serde_json::from_slice(&self.laptop.run(&["outputs", "--json"]).stdout).unwrap();
        let url = outputs[format!("queues.{queue}.url")].as_str().unwrap();
        let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "AmazonSQS.SendMessage"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/ap-northeast-2/sqs/aws4_request"),
        ];
        let message = json!({ "QueueUrl": url, "MessageBody": body }).to_string();
        let answer = send(host, "POST", "/", &headers, &message).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Waits for something. Nothing here is measured, so the wait is long.
pub fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything that was produced since the shop opened.
pub fn log(shop: &Shop) -> Vec<Value> {
    let all = shop.ask("GET", "/log?after=1", &[], "").json();
    all.as_array().unwrap().clone()
}

/// Whether a purchase was sold. If not, the stock was too small.
pub fn is_sold(answer: &Answer) -> bool {
    let is_sold = answer.body.contains("구매 완료");
    assert!(is_sold || answer.body.contains("구매 실패"), "{}", answer.body);
    is_sold
}
