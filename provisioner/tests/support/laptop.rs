//! Sendy on this machine, in a folder of its own and with a home of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Laptop {
    pub home: Arc<tempfile::TempDir>,
    pub stack: PathBuf,
    /// The name of PROVISION_HOME in the folder of this test.
    named: &'static str,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }
}

impl Laptop {
    pub fn new(folder: &str) -> Self {
        Laptop::in_home(Arc::new(tempfile::tempdir().unwrap()), folder, "home")
    }

    /// Sendy with a home of another name.
    pub fn at_home(folder: &str, named: &'static str) -> Self {
        Laptop::in_home(Arc::new(tempfile::tempdir().unwrap()), folder, named)
    }

    /// Another stack than Sendy.
    pub fn of(folder: &str, stack: &str) -> Self {
        let laptop = Laptop::new(folder);
        std::fs::write(&laptop.stack, stack).unwrap();
        laptop
    }

    /// Another folder of the same user.
    pub fn beside(&self, folder: &str) -> Self {
        Laptop::in_home(Arc::clone(&self.home), folder, self.named)
    }

    fn in_home(home: Arc<tempfile::TempDir>, folder: &str, named: &'static str) -> Self {
        let folder = home.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let stack = folder.join("sendy.yaml");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/sendy.yaml"), &stack).unwrap();
        let laptop = Laptop { home, stack, named };
        // The user who runs this may have fetched the search engine. Then the test need not fetch it.
        let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/provision/cache/osmem-server"));
        let (cache, fetched) = (laptop.home().join("cache"), user.filter(|engine| engine.is_file()));
        std::fs::create_dir_all(&cache).unwrap();
        if let Some(fetched) = fetched {
            let _ = std::os::unix::fs::symlink(fetched, cache.join("osmem-server"));
        }
        laptop
    }

    pub fn home(&self) -> PathBuf {
        self.home.path().join(self.named)
    }

    /// Runs a command with `--local`. `up --yes` is for this stack; `local kill part` is as it is.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        match arguments {
            ["local", verb, rest @ ..] => command.args(["local", *verb]).arg(&self.stack).args(rest),
            [verb, rest @ ..] => command.arg(verb).arg(&self.stack).args(rest).arg("--local"),
            [] => &mut command,
        };
        self.alone(&mut command);
        command
    }

    /// Runs the arguments as they are, in this home.
    pub fn plain(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        self.alone(&mut command);
        command.args(arguments).output().unwrap()
    }

    /// The variables that a developer has set do not count. There is no account and no network.
    fn alone(&self, command: &mut Command) {
        command.env("PROVISION_HOME", self.home());
        for name in ["OPENSEARCH_URL", "PROVISION_SEARCH", "AWS_REGION", "AWS_DEFAULT_REGION"] {
            command.env_remove(name);
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        said
    }

    pub fn told(&self, arguments: &[&str], code: i32, text: &str) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
        said
    }

    pub fn address(&self) -> String {
        let said = self.done(&["outputs"]);
        said.lines().find_map(|line| line.strip_prefix("services.address = http://")).unwrap().to_owned()
    }

    /// The answer of the printed address to a request for a page below it.
    pub fn dashboard(&self, what: &str) -> String {
        let said = self.done(&["outputs"]);
        let address = said.lines().find_map(|line| line.strip_prefix("dashboard = http://")).unwrap();
        assert!(self.done(&["status"]).contains(&format!("dashboard: http://{address}")));
        let (host, path) = address.split_once('/').unwrap();
        let answer = until("the dashboard", || send(host, "GET", &format!("/{path}{what}"), &[], ""));
        assert_eq!(answer.status, 200, "{}", answer.head);
        answer.body
    }

    /// Asks until there is a good answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.address();
        let answer = until(&format!("{method} {path}"), || {
            send(&address, method, path, &[], body).filter(|answer| answer.status / 100 == 2)
        });
        format!("{}\r\n\r\n{}", answer.head, answer.body)
    }

    pub fn status(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    }

    pub fn part(&self, name: &str) -> Value {
        let parts = self.status()["parts"].take();
        parts.as_array().unwrap().iter().find(|part| part["name"] == name).cloned().unwrap_or_default()
    }

    /// The process ids, by part.
    pub fn pids(&self) -> Vec<(String, u64)> {
        let pid = |part: &Value| Some((part["name"].as_str()?.to_owned(), part["pid"].as_u64()?));
        self.status()["parts"].as_array().unwrap().iter().filter_map(pid).collect()
    }

    pub fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.stack).unwrap();
        assert!(text.contains(from));
        std::fs::write(&self.stack, text.replacen(from, to, 1)).unwrap();
    }

    /// Every process that works for this home. It is known by the paths that it was given or runs in.
    pub fn processes(&self) -> Vec<String> {
        let home = self.home.path().display().to_string();
        let mut found = Vec::new();
        for process in std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
            let read = |file: &str| std::fs::read(process.join(file)).unwrap_or_default();
            let state = String::from_utf8_lossy(&read("stat")).into_owned();
            let (line, environment) = (read("cmdline"), read("environ"));
            let is_ours = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&home);
            if (is_ours(&line) || is_ours(&environment)) && !state.contains(") Z ") {
                found.push(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
        found
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.run(&["down", "--delete-data", "--yes"]);
    }
}

/// The program that was built for these tests, or another one that is to be tried.
pub fn program() -> PathBuf {
    std::env::var_os("PROVISION_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_provision").into(), PathBuf::from)
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Sends a request. `None` if nobody answers, or the connection breaks off.
pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if length.is_some_and(|length: usize| length != body.len()) {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn reservation(name: &str) -> String {
    format!(r#"{{"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"{name}"}}"#)
}
