//! `--local`: Sendy on this machine, on real engines, from the first `up` to `down --delete-data`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

struct Laptop {
    home: tempfile::TempDir,
    stack: PathBuf,
}

impl Laptop {
    fn new(folder: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let stack = folder.join("sendy.yaml");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/sendy.yaml"), &stack).unwrap();
        Laptop { home, stack }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let (first, rest) = arguments.split_first().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.arg(first);
        if *first == "fault" {
            command.arg(rest[0]).arg(&self.stack).args(&rest[1..]);
        } else {
            command.arg(&self.stack).args(rest);
        }
        // No account and no network: whatever a developer has set does not count.
        command.arg("--local").env("PROVISION_HOME", self.home.path().join("home")).env_remove("OPENSEARCH_URL");
        command.output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        said
    }

    fn address(&self) -> String {
        let said = self.done(&["outputs"]);
        let line = said.lines().find_map(|line| line.strip_prefix("services.address = http://")).unwrap();
        line.to_owned()
    }

    /// What the address that is printed answers, asked for something below it.
    fn dashboard(&self, what: &str) -> String {
        let said = self.done(&["outputs"]);
        let address = said.lines().find_map(|line| line.strip_prefix("dashboard = http://")).unwrap();
        assert!(self.done(&["status"]).contains(&format!("dashboard: http://{address}")));
        let (host, path) = address.split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /{path}{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.address();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = TcpStream::connect(&address).and_then(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                let length = body.len();
                write!(
                    stream,
                    "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                )?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                Ok(answer)
            });
            match answer {
                Ok(answer) if answer.starts_with("HTTP/1.1 2") => return answer,
                other => assert!(Instant::now() < deadline, "{method} {path}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The process ids, by part.
    fn pids(&self) -> Vec<(String, u64)> {
        let output = self.run(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let pid = |part: &Value| Some((part["name"].as_str()?.to_owned(), part["pid"].as_u64()?));
        status["parts"].as_array().unwrap().iter().filter_map(pid).collect()
    }

    fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.stack).unwrap();
        assert!(text.contains(from));
        std::fs::write(&self.stack, text.replacen(from, to, 1)).unwrap();
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.run(&["down", "--delete-data", "--yes"]);
    }
}

#[test]
fn from_the_first_up_to_the_last_down() {
    let laptop = Laptop::new("a");
    let plan = laptop.run(&["plan", "--exit-code"]);
    assert_eq!(plan.status.code(), Some(2));

    let said = laptop.done(&["up", "--yes"]);
    for hop in ["reserve", "primary", "replica", "notification", "lookup miss", "lookup hit", "delete"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(hop) && line.contains(" ok ")), "{hop}: {said}");
    }
    assert!(laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
    assert!(laptop.done(&["probe"]).contains("lookup hit"));
    let reservation = r#"{"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"peachdo"}"#;
    let created = laptop.ask("POST", "/reservations", reservation);
    assert!(created.contains("201") && created.contains("부산"), "{created}");
    assert!(laptop.ask("GET", "/notifications?after=0", "").contains("Reservations: OK"));

    // The page knows the whole stack, and none of its passwords.
    let stack: Value = serde_json::from_str(&laptop.dashboard("api/stack")).unwrap();
    let links: Vec<String> = stack["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| ["from", "verb", "to"].map(|name| link[name].as_str().unwrap()).join(" "))
        .collect();
    for link in [
        "web routes to lookup",
        "reservation owns reservations",
        "reservation publishes to topic:events",
        "topic:events delivers to queue:notifications",
        "queue:notifications feeds notification",
        "reservations replicates to reservations-replica",
    ] {
        assert!(links.iter().any(|it| it == link), "{link}: {links:?}");
    }
    let connections = stack["connections"].to_string();
    assert!(connections.contains("mysql://owner:••••••••@127.0.0.1:"), "{connections}");
    let state: Value = serde_json::from_str(&laptop.dashboard("api/state")).unwrap();
    assert_eq!(state["queues"]["queue:notifications"]["dead"], 0, "{state}");

    // Only what changed is restarted.
    let before = laptop.pids();
    laptop.change(
        "    uses: [reservations, lookups]\n",
        "    uses: [reservations, lookups]\n    env: { LOG_LEVEL: warn }\n",
    );
    let plan = laptop.done(&["plan"]);
    assert!(plan.contains("~ restart lookup:") && plan.contains("environment.LOG_LEVEL: (unset) -> warn"), "{plan}");
    assert!(plan.contains("Plan: 1 of "), "{plan}");
    laptop.done(&["up", "--yes"]);
    let changed: Vec<String> =
        laptop.pids().into_iter().filter(|part| !before.contains(part)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["lookup"]);

    // A primary that is killed comes back with what it had; so does everything after a stop.
    laptop.done(&["fault", "kill", "reservations"]);
    assert!(laptop.ask("GET", "/reservations?search=peachdo", "").contains("부산"));
    assert!(laptop.ask("POST", "/reservations", reservation).contains("201"));
    laptop.done(&["down"]);
    assert!(laptop.pids().is_empty());
    laptop.done(&["up", "--yes"]);
    let list = laptop.ask("GET", "/reservations", "");
    assert_eq!(list.matches("peachdo").count(), 2, "{list}");

    let state = laptop.home.path().join("home/stacks");
    laptop.done(&["down", "--delete-data", "--yes"]);
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0);
}

#[test]
fn two_stacks_side_by_side_and_odd_paths() {
    let (one, other) = (Laptop::new("a b"), Laptop::new("예약 스택"));
    one.done(&["up", "--yes"]);
    other.done(&["up", "--yes"]);
    assert_ne!(one.address(), other.address());
    let reservation = r#"{"departure":"a","destination":"b","date":"2022-06-07","user_name":"one"}"#;
    one.ask("POST", "/reservations", reservation);
    assert!(!other.ask("GET", "/reservations", "").contains("one"));
    one.done(&["down", "--delete-data", "--yes"]);
    other.done(&["probe"]);
}

#[test]
fn what_cannot_be_is_one_clear_error() {
    let laptop = Laptop::new("a");
    let told = |arguments: &[&str], code: i32, text: &str| {
        let output = laptop.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    };
    told(&["fault", "kill", "lookup"], 1, "nothing of this stack runs here");
    told(&["down", "--snapshot-data"], 64, "on this machine data is kept");
    told(&["policy"], 64, "this has no meaning with --local");
    told(&["up"], 64, "there is no terminal to ask on");
    let file = Path::new("/nowhere/sendy.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_provision")).arg("up").arg(file).arg("--local").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
