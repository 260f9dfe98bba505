//! One part: what is wanted of it, its process if there is one, and how often that has failed.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use super::part::Part;
use super::place::Place;
use super::protocol::{PartStatus, State};
use super::{logs, process, reap};

/// The wait before the first new start. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// If a part was ready for so long, its earlier failures do not count any more.
const HEALTHY: Duration = Duration::from_secs(10);

/// The failures in a row after which a part is given up. The next `apply` tries it again.
const FAILURES: u32 = 5;

const LINES_IN_AN_ERROR: usize = 20;

#[derive(Default)]
pub struct Slot {
    /// The wanted part. `None` if it is to stop, and then to be forgotten.
    pub wanted: Option<Part>,
    pub process: Option<Process>,
    pub failures: u32,
    pub restarts: u64,
    pub retry_at: Option<Instant>,
    /// Why the part was given up.
    pub failed: Option<String>,
    /// Whether the part is not to be started until somebody says so.
    pub held: bool,
    pub last_error: Option<String>,
    /// The fingerprint of the part that has done its work and ended. See `Probe::Done`.
    pub done: Option<String>,
}

pub struct Process {
    /// The part as it was started.
    pub part: Part,
    pub child: Child,
    pub started: Instant,
    pub since: SystemTime,
    pub ready: Option<Instant>,
    pub paused: bool,
    pub stopping: Option<Stopping>,
    /// Tells its probe that nobody waits any more.
    pub cancelled: Arc<AtomicBool>,
}

pub struct Stopping {
    pub kill_at: Instant,
    pub killed: bool,
    /// Why the process is being ended, if it is a failure of the part and not somebody's wish.
    pub failure: Option<String>,
}

impl Slot {
    pub fn state(&self) -> State {
        match &self.process {
            Some(Process { stopping: Some(_), .. }) => State::Stopping,
            Some(Process { paused: true, .. }) => State::Paused,
            Some(Process { ready: Some(_), .. }) => State::Ready,
            Some(_) => State::Starting,
            None if self.held => State::Held,
            None if self.failed.is_some() => State::Failed,
            None if self.is_done() => State::Ready,
            None if self.retry_at.is_some() => State::BackOff,
            None => State::Waiting,
        }
    }

    /// Whether others may start: the running part is the wanted one, and has been seen to work. Or it has done its work.
    pub fn is_ready(&self) -> bool {
        let runs = self.process.as_ref().is_some_and(|it| it.ready.is_some() && it.stopping.is_none());
        (runs && !self.is_outdated()) || self.is_done()
    }

    /// Whether the wanted part has done its work and ended.
    pub fn is_done(&self) -> bool {
        let wanted = self.wanted.as_ref().map(Part::fingerprint);
        self.process.is_none() && self.done.is_some() && self.done == wanted
    }

    /// Whether the running part differs from the wanted one.
    pub fn is_outdated(&self) -> bool {
        match (&self.process, &self.wanted) {
            (Some(process), Some(wanted)) => process.part.fingerprint() != wanted.fingerprint(),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Takes a new wish. A part that was given up before is tried again.
    pub fn want(&mut self, part: Option<Part>) {
        self.wanted = part;
        self.failures = 0;
        self.retry_at = None;
        self.failed = None;
        self.held = false;
    }

    /// Asks its process to end, unless it was asked before. `false` if there is no process to ask.
    pub fn end(&mut self) -> bool {
        let Some(process) = self.process.as_mut().filter(|process| process.stopping.is_none()) else { return false };
        process.stop(None, Instant::now());
        true
    }

    /// Lets a paused process go on.
    pub fn go_on(&mut self, place: &Place) {
        if let Some(process) = self.process.as_mut().filter(|process| process.paused) {
            process::signal_group(process.child.id(), Signal::CONT);
            reap::signal_all_of(place, &process.part.name, Signal::CONT);
            process.paused = false;
        }
    }

    /// Gives the running process the wanted values that need no restart. Returns what is to be probed anew, if it is
    /// not ready yet.
    pub fn adopt(&mut self) -> Option<(Part, Arc<AtomicBool>)> {
        if self.is_outdated() {
            return None;
        }
        let (process, wanted) = (self.process.as_mut()?, self.wanted.as_ref()?);
        process.part = wanted.clone();
        if process.ready.is_some() || process.stopping.is_some() {
            return None;
        }
        process.cancelled.store(true, Ordering::Relaxed);
        process.cancelled = Arc::default();
        Some((wanted.clone(), process.cancelled.clone()))
    }

    /// Counts a failure. Returns the wait before the next start, or `None` if this was one failure too many. The first
    /// line of the error is for people, the others are what the part said.
    pub fn count_failure(&mut self, error: String, now: Instant) -> Option<Duration> {
        self.failures += 1;
        self.last_error = Some(error.clone());
        if self.failures >= FAILURES {
            let (first, rest) = error.split_at(error.find('\n').unwrap_or(error.len()));
            self.failed = Some(format!("{first} ({FAILURES} times in a row){rest}"));
            return None;
        }
        let wait = (FIRST_WAIT * 2_u32.pow(self.failures - 1)).min(LONGEST_WAIT);
        self.retry_at = Some(now + wait);
        Some(wait)
    }

    pub fn forget_old_failures(&mut self, now: Instant) {
        let healthy = |process: &Process| process.ready.is_some_and(|ready| now.duration_since(ready) >= HEALTHY);
        if self.failures > 0 && self.process.as_ref().is_some_and(healthy) {
            self.failures = 0;
        }
    }

    pub fn status(&self, name: &str) -> PartStatus {
        let part = self.process.as_ref().map(|process| &process.part).or(self.wanted.as_ref());
        let pid = self.process.as_ref().map(|process| process.child.id());
        let since = self.process.as_ref().and_then(|process| process.since.duration_since(SystemTime::UNIX_EPOCH).ok());
        PartStatus {
            name: name.to_owned(),
            kind: part.map_or_else(String::new, |part| part.kind.clone()),
            state: self.state(),
            pid,
            port: part.and_then(|part| part.port),
            memory_kib: pid.and_then(process::memory_kib),
            restarts: self.restarts,
            since_ms: since.map(|since| since.as_millis() as u64),
            fingerprint: self.process.as_ref().map(|process| process.part.fingerprint()),
            last_error: self.failed.clone().or_else(|| self.last_error.clone()),
        }
    }
}

impl Process {
    /// Ends the process in its own way first, with time until the deadline.
    pub fn stop(&mut self, failure: Option<String>, now: Instant) {
        let within = Duration::from_millis(self.part.stop.within_ms);
        self.cancelled.store(true, Ordering::Relaxed);
        process::signal_group(self.child.id(), process::signal_of(self.part.stop.signal));
        // A paused process does not see the signal before it goes on.
        process::signal_group(self.child.id(), Signal::CONT);
        self.stopping = Some(Stopping { kill_at: now + within, killed: false, failure });
    }

    pub fn kill(&mut self) {
        process::signal_group(self.child.id(), Signal::KILL);
        if let Some(stopping) = &mut self.stopping {
            stopping.killed = true;
        }
    }
}

/// The error with its cause in one line, and below it the end of the part's log. The secrets that the part was given
/// are masked.
pub fn with_log(error: &str, part: &Part, place: &Place) -> String {
    let lines = logs::tail(&place.log(&part.name), LINES_IN_AN_ERROR);
    let Some(cause) = logs::cause(&lines.iter().map(String::as_str).collect::<Vec<_>>()) else {
        return format!("{error}, and said nothing");
    };
    let mut text = format!("{error}: {cause}");
    text.extend(lines.iter().map(|line| format!("\n    {line}")));
    for secret in part.secrets.iter().filter_map(|name| part.env.get(name)).filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "***");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_the_fifth_failure_is_the_last() {
        let mut slot = Slot::default();
        let now = Instant::now();
        let waits: Vec<Option<u128>> =
            (0..5).map(|_| slot.count_failure("exit 1".into(), now).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(200), Some(400), Some(800), Some(1600), None]);
        assert_eq!(slot.state(), State::Failed);
        assert_eq!(slot.failed.as_deref(), Some("exit 1 (5 times in a row)"));
        slot.want(None);
        assert_eq!(slot.failures, 0);
    }

    #[test]
    fn the_log_in_an_error_shows_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        std::fs::write(place.log("a"), "connecting with pa55\nno\n").unwrap();
        let mut part = Part::new("a", "fake", "/bin/false");
        part.env.insert("PASSWORD".into(), "pa55".into());
        part.secrets.insert("PASSWORD".into());
        let error = with_log("exit status: 1", &part, &place);
        assert_eq!(error, "exit status: 1: no\n    connecting with ***\n    no");
        std::fs::write(place.log("a"), "no pa55").unwrap();
        assert_eq!(with_log("exit status: 1", &part, &place), "exit status: 1: no ***\n    no ***");
        std::fs::write(place.log("a"), "").unwrap();
        assert_eq!(with_log("exit status: 1", &part, &place), "exit status: 1, and said nothing");
    }
}
