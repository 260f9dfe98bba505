//! The tests share this: a state directory whose supervisor ends with the test, and checks of the processes that really
//! run.
#![allow(dead_code, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use local::supervisor::client::{self, Client};
use local::supervisor::part::{Part, Wanted};
use local::supervisor::place::Place;
use local::supervisor::protocol::{Event, Outcome, PartStatus};

pub mod function;
pub mod messages;
pub mod tables;

pub const MINUTE: Duration = Duration::from_secs(60);

pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_supervised"))
}

/// A state directory. Everything that the test left is stopped with it.
pub struct Stack {
    pub directory: tempfile::TempDir,
    pub state: PathBuf,
}

impl Stack {
    pub fn new() -> Stack {
        Stack::named("state")
    }

    pub fn named(name: &str) -> Stack {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join(name);
        Stack { directory, state }
    }

    pub fn client(&self) -> Client {
        client::ensure_by(program(), &self.state).unwrap()
    }

    pub fn place(&self) -> Place {
        Place::open(&self.state).unwrap()
    }

    pub fn up(&self, parts: &[Part]) -> (Outcome, Vec<Event>) {
        let mut events = Vec::new();
        let wanted = Wanted { parts: parts.to_vec(), ..Wanted::default() };
        let outcome = self.client().apply(&wanted, MINUTE, |event| events.push(event.clone())).unwrap();
        (outcome, events)
    }

    /// Applies the parts, and waits until every part is ready.
    pub fn up_whole(&self, parts: &[Part]) -> Vec<Event> {
        let (outcome, events) = self.up(parts);
        assert_eq!(outcome.ready.len(), parts.len(), "{outcome:#?}");
        events
    }

    pub fn down(&self) {
        client::stop_all_by(program(), &self.state, MINUTE, |_| {}).unwrap();
    }

    pub fn status(&self, part: &str) -> PartStatus {
        let all = self.client().status().unwrap();
        all.into_iter().find(|status| status.name == part).unwrap_or_else(|| panic!("no `{part}`"))
    }

    pub fn pid(&self, part: &str) -> u32 {
        self.status(part).pid.unwrap_or_else(|| panic!("`{part}` does not run: {:?}", self.status(part)))
    }

    pub fn supervisor(&self) -> i32 {
        self.client().hello().unwrap().1.0
    }

    /// Every process that belongs to this state directory, by the mark in its environment or by the directory in its
    /// command line: so the supervisor counts as well.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let mark = format!("PROVISION_INSTANCE={}/", self.place().instance());
        let directory = self.state.canonicalize().unwrap().display().to_string();
        let pids = std::fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid: i32| {
            let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let ours = read("environ").split(|byte| *byte == 0).any(|it| it.starts_with(mark.as_bytes()));
            let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            (!zombie && pid != std::process::id() as i32 && (ours || line.contains(&directory))).then_some((pid, line))
        })
        .collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.down();
            assert_eq!(self.processes(), []);
            return;
        }
        for file in std::fs::read_dir(self.place().state().join("logs")).unwrap() {
            let file = file.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(20).collect();
            eprintln!("{}: {}", file.display(), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        eprintln!("{:#?}", client::running(&self.state).map(|client| client.status()));
        let _ = client::stop_all_by(program(), &self.state, MINUTE, |_| {});
    }
}

pub fn shell(name: &str, script: &str) -> Part {
    Part { args: vec!["-c".into(), script.into()], ..Part::new(name, "fake", "/bin/sh") }
}

pub fn after(part: Part, names: &[&str]) -> Part {
    Part { after: names.iter().map(|name| (*name).to_owned()).collect(), ..part }
}

/// Kills a process by its id, as `kill -9` does.
pub fn kill(pid: i32) {
    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL);
}

/// Looks again and again until there is something to see.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
