//! Goes from the running parts to the wanted ones. Everything here happens on one thread, the supervisor's main one, as
//! the answer to a message. Nothing in here waits.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::journal::{Entry, Journal};
use super::part::{Part, View, Wanted};
use super::place::Place;
use super::protocol::{Event, Failure, Outcome, PartStatus, Reply, Skipped, What};
use super::slot::{Process, Slot, with_log};
use super::{chronicle, logs, probe, process, reap};

/// The news that threads tell the main one. Each says which process or which probe it is about, so that old news is
/// known as such.
pub enum News {
    Request(super::protocol::Request, Sender<Reply>),
    Exited { part: String, pid: u32 },
    Probed { part: String, asked: Arc<AtomicBool>, result: Result<(), String> },
    Terminate,
}

pub struct Converger {
    place: Place,
    journal: Journal,
    news: Sender<News>,
    slots: BTreeMap<String, Slot>,
    /// The clients that wait for the outcome of an `apply`.
    watchers: Vec<Sender<Reply>>,
    /// The parts that the last `apply` left as they were. It does not wait for them.
    kept: BTreeSet<String>,
}

impl Converger {
    pub fn new(place: Place, journal: Journal, news: Sender<News>) -> Self {
        Converger { place, journal, news, slots: BTreeMap::new(), watchers: Vec::new(), kept: BTreeSet::new() }
    }

    /// Takes new wanted parts. They replace the old ones.
    pub fn want(&mut self, wanted: Wanted, watcher: Sender<Reply>) {
        for earlier in self.watchers.drain(..) {
            let _ = earlier.send(Reply::Refused { why: "another one has said since what should run".into() });
        }
        self.kept = wanted.kept;
        let mut wanted: BTreeMap<String, Part> =
            wanted.parts.into_iter().map(|part| (part.name.clone(), part)).collect();
        let mut probes = Vec::new();
        for (name, slot) in self.slots.iter_mut().filter(|(name, _)| !self.kept.contains(*name)) {
            slot.want(wanted.remove(name));
            slot.go_on(&self.place);
            probes.extend(slot.adopt());
        }
        for (part, cancelled) in probes {
            self.probe(&part, cancelled);
        }
        for (name, part) in wanted {
            self.slots.entry(name).or_default().want(Some(part));
        }
        self.watchers.push(watcher);
    }

    /// The wanted parts, which keep only parts that are there.
    pub fn known(&self, wanted: &Wanted) -> Wanted {
        let mut wanted = wanted.clone();
        wanted.kept.retain(|name| self.slots.contains_key(name));
        wanted
    }

    pub fn views(&self) -> BTreeMap<String, View> {
        let part = |slot: &Slot| {
            slot.process.as_ref().map(|process| process.part.view()).or(Some(slot.wanted.as_ref()?.view()))
        };
        self.slots.iter().filter_map(|(name, slot)| Some((name.clone(), part(slot)?))).collect()
    }

    /// Does all that can be done now. Returns the time when there is more to do without any news.
    pub fn converge(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let names: Vec<String> = self.slots.keys().cloned().collect();
        for name in &names {
            self.stop_if_due(name, now);
        }
        self.slots.retain(|_, slot| slot.wanted.is_some() || slot.process.is_some());
        for name in &names {
            self.start_if_due(name, now);
            if let Some(slot) = self.slots.get_mut(name) {
                slot.forget_old_failures(now);
            }
        }
        if let Some(outcome) = self.outcome() {
            for watcher in self.watchers.drain(..) {
                let _ = watcher.send(Reply::Outcome { outcome: outcome.clone() });
            }
        }
        let times = self.slots.values().filter_map(|slot| match &slot.process {
            Some(process) => process.stopping.as_ref().filter(|stopping| !stopping.killed).map(|it| it.kill_at),
            // A time in the past waits for another part, and that part's news will come.
            None => slot.retry_at.filter(|at| *at > now),
        });
        times.min()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn exited(&mut self, name: &str, pid: u32) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        if slot.process.as_ref().is_none_or(|process| process.child.id() != pid) {
            return;
        }
        let Some(mut ended) = slot.process.take() else { return };
        ended.cancelled.store(true, Ordering::Relaxed);
        // The process is dead but not yet waited for, so its group's id cannot be another's. What it left behind is
        // ended now.
        process::signal_group(pid, Signal::KILL);
        reap::signal_all_of(&self.place, name, Signal::KILL);
        let status = ended.child.wait();
        // If this is not written, a later look finds that there is no such process any more.
        let _ = self.journal.write(&Entry::Exited { pid: pid as i32 });
        let now = Instant::now();
        let is_done = ended.part.ready.is_the_end() && status.as_ref().is_ok_and(ExitStatus::success);
        let failure = match ended.stopping {
            Some(stopping) => stopping.failure,
            None if is_done => {
                slot.done = Some(ended.part.fingerprint());
                slot.failures = 0;
                let after_ms = now.duration_since(ended.started).as_millis() as u64;
                self.tell(name, What::Ready { after_ms });
                return;
            }
            None => Some(status.map_or_else(|error| error.to_string(), how)),
        };
        let Some(failure) = failure else {
            self.tell(name, What::Stopped);
            return;
        };
        slot.restarts += 1;
        if ended.ready.is_some_and(|ready| now.duration_since(ready) >= Duration::from_secs(10)) {
            slot.failures = 0;
        }
        let error = with_log(&failure, &ended.part, &self.place);
        self.count_failure(name, failure, error, now);
    }

    pub fn probed(&mut self, name: &str, asked: &Arc<AtomicBool>, result: Result<(), String>) {
        let Some(process) = self.slots.get_mut(name).and_then(|slot| slot.process.as_mut()) else { return };
        if !Arc::ptr_eq(&process.cancelled, asked) || process.stopping.is_some() {
            return;
        }
        let now = Instant::now();
        match result {
            Ok(()) => {
                process.ready = Some(now);
                let after_ms = now.duration_since(process.started).as_millis() as u64;
                self.tell(name, What::Ready { after_ms });
            }
            Err(error) => process.stop(Some(error), now),
        }
    }

    /// Sends a signal to a running part. It is an error if there is no such process.
    pub fn signal(&mut self, name: &str, signal: Signal) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(name) else { return Err(format!("there is no part `{name}`")) };
        let Some(process) = &mut slot.process else { return Err(format!("`{name}` does not run")) };
        process::signal_group(process.child.id(), signal);
        if signal == Signal::STOP {
            process.paused = true;
            // A process that stands still starts no other, so this finds all of them.
            reap::signal_all_of(&self.place, name, signal);
        }
        Ok(())
    }

    /// Starts a part again, or lets it go on, after it was held or paused by hand.
    pub fn resume(&mut self, name: &str) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(name) else { return Err(format!("there is no part `{name}`")) };
        let wanted = slot.wanted.clone();
        slot.want(wanted);
        slot.go_on(&self.place);
        Ok(())
    }

    /// Ends a part in order. It is not started again for now.
    pub fn hold(&mut self, name: &str) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(name) else { return Err(format!("there is no part `{name}`")) };
        slot.held = true;
        slot.retry_at = None;
        if slot.end() {
            self.tell(name, What::Stopping);
        }
        Ok(())
    }

    /// Restarts a part in an orderly way. This does not count as a failure.
    pub fn restart(&mut self, name: &str) -> Result<(), String> {
        let Some(slot) = self.slots.get_mut(name) else { return Err(format!("there is no part `{name}`")) };
        let wanted = slot.wanted.clone();
        slot.want(wanted);
        slot.done = None;
        if slot.end() {
            self.tell(name, What::Stopping);
        }
        Ok(())
    }

    /// Trims the log files, which do not grow for ever, however long a part runs.
    pub fn trim_logs(&self) {
        for (name, slot) in &self.slots {
            let path = self.place.log(name);
            let Some(process) = slot.process.as_ref().filter(|_| logs::is_full(&path)) else { continue };
            // Nobody may write between the copy and the cut. A part that is paused already stays so.
            if !process.paused {
                process::stand_still(process.child.id());
                reap::signal_all_of(&self.place, name, Signal::STOP);
            }
            let trimmed = logs::trim(&path);
            if !process.paused {
                process::signal_group(process.child.id(), Signal::CONT);
                reap::signal_all_of(&self.place, name, Signal::CONT);
            }
            note(&match trimmed {
                Ok(()) => format!("{name}: its log is full, and begins anew"),
                Err(error) => format!("{name}: its log is full, and stays so: {error}"),
            });
        }
        let own = self.place.supervisor_log();
        if logs::is_full(&own) {
            let _ = logs::trim(&own);
        }
    }

    pub fn status(&self) -> Vec<PartStatus> {
        self.slots.iter().map(|(name, slot)| slot.status(name)).collect()
    }

    fn stop_if_due(&mut self, name: &str, now: Instant) {
        let needed = self.is_still_needed(name);
        let Some(slot) = self.slots.get_mut(name) else { return };
        let outdated = slot.is_outdated();
        let Some(process) = &mut slot.process else { return };
        match &process.stopping {
            Some(stopping) if !stopping.killed && now >= stopping.kill_at => process.kill(),
            None if outdated && !needed => {
                process.stop(None, now);
                self.tell(name, What::Stopping);
            }
            _ => {}
        }
    }

    /// Whether another part that is still there needs this one. Parts that are no longer wanted end in the order
    /// opposite to starting.
    fn is_still_needed(&self, name: &str) -> bool {
        let unwanted = self.slots.get(name).is_some_and(|slot| slot.wanted.is_none());
        let needs = |slot: &Slot| {
            slot.wanted.is_none() && slot.process.as_ref().is_some_and(|it| it.part.after.iter().any(|it| it == name))
        };
        unwanted && self.slots.values().any(needs)
    }

    fn start_if_due(&mut self, name: &str, now: Instant) {
        let Some(slot) = self.slots.get(name) else { return };
        let (None, None, false, Some(part)) = (&slot.process, &slot.failed, slot.held, &slot.wanted) else { return };
        if slot.is_done() {
            return;
        }
        let ready = |name: &String| self.slots.get(name).is_some_and(Slot::is_ready);
        if slot.retry_at.is_some_and(|at| now < at) || !part.after.iter().all(ready) {
            return;
        }
        let part = part.clone();
        if let Err(why) = process::runnable(&part.program) {
            self.give_up(name, format!("its program cannot be run: {why}"));
            return;
        }
        self.tell(name, What::Starting);
        let started = self.start(part);
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.retry_at = None;
        match started {
            Ok(process) => slot.process = Some(process),
            Err(error) => self.count_failure(name, format!("{error:#}"), format!("{error:#}"), now),
        }
    }

    fn start(&mut self, part: Part) -> Result<Process> {
        let log = self.place.log(&part.name);
        let append = || logs::rotate(&log).and_then(|()| process::append(&log));
        let file = append().with_context(|| format!("its log `{}`", log.display()))?;
        self.journal.write(&Entry::Spawning { part: part.name.clone() })?;
        let child = process::spawn(&part, &self.place, file).context("starting it")?;
        let pid = child.id();
        let start = process::start_time(pid as i32).unwrap_or_default();
        // If this is not written, the process is still found by its mark. A running part is better than none.
        let _ = self.journal.write(&Entry::Spawned { part: part.name.clone(), pid: pid as i32, start });
        let cancelled = Arc::new(AtomicBool::new(false));
        self.watch(&part, pid, cancelled.clone());
        let (started, since) = (Instant::now(), SystemTime::now());
        Ok(Process { part, child, started, since, ready: None, paused: false, stopping: None, cancelled })
    }

    /// Starts two threads that wait: one for the end of the process, one for its being ready.
    fn watch(&self, part: &Part, pid: u32, cancelled: Arc<AtomicBool>) {
        let (name, news) = (part.name.clone(), self.news.clone());
        std::thread::spawn(move || {
            // The process is not reaped: until the main thread has seen it, its id stays its own.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            if let Some(pid) = Pid::from_raw(pid as i32) {
                while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), ended) {}
            }
            let _ = news.send(News::Exited { part: name, pid });
        });
        self.probe(part, cancelled);
    }

    fn probe(&self, part: &Part, cancelled: Arc<AtomicBool>) {
        let (name, news) = (part.name.clone(), self.news.clone());
        let (probe, within) = (part.ready.clone(), Duration::from_millis(part.ready_within_ms));
        std::thread::spawn(move || {
            let result = probe::until_ready(&probe, within, &cancelled);
            let _ = news.send(News::Probed { part: name, asked: cancelled, result });
        });
    }

    /// Counts a failure. It is told as `short` while there is hope, and as `long`, with the log, when there is none.
    fn count_failure(&mut self, name: &str, short: String, long: String, now: Instant) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        match slot.count_failure(long, now) {
            Some(wait) => self.tell(name, What::Exited { how: short, again_in_ms: wait.as_millis() as u64 }),
            None => {
                let error = slot.failed.clone().unwrap_or_default();
                self.tell(name, What::Failed { error });
            }
        }
    }

    fn give_up(&mut self, name: &str, error: String) {
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.failed = Some(error.clone());
        self.tell(name, What::Failed { error });
    }

    fn tell(&mut self, part: &str, what: What) {
        let event = Event { part: part.to_owned(), what };
        note(&event.to_string());
        chronicle::event(&self.place, &event);
        // A watcher that does not listen any more is dropped.
        self.watchers.retain(|watcher| watcher.send(Reply::Event { event: event.clone() }).is_ok());
    }

    /// The outcome. `None` while something is still under way.
    fn outcome(&self) -> Option<Outcome> {
        if self.watchers.is_empty() {
            return None;
        }
        let mut outcome = Outcome::default();
        for (name, slot) in self.slots.iter().filter(|(name, _)| !self.kept.contains(*name)) {
            match (&slot.failed, self.hopeless_dependency(slot)) {
                (Some(error), _) => outcome.failed.push(Failure { part: name.clone(), error: error.clone() }),
                (None, _) if slot.held && slot.process.is_none() => {
                    outcome.failed.push(Failure { part: name.clone(), error: "stopped by hand".to_owned() });
                }
                (None, _) if slot.is_ready() => outcome.ready.push(name.clone()),
                (None, Some(after)) if slot.process.is_none() => {
                    outcome.skipped.push(Skipped { part: name.clone(), after: after.clone() });
                }
                _ => return None,
            }
        }
        Some(outcome)
    }

    /// The part that this one waits for in vain: it was given up, it is held, or it waits for such a part itself.
    fn hopeless_dependency<'a>(&self, slot: &'a Slot) -> Option<&'a String> {
        let part = slot.wanted.as_ref()?;
        part.after.iter().find(|name| {
            let gone = |slot: &Slot| slot.failed.is_some() || (slot.held && slot.process.is_none());
            self.slots.get(*name).is_some_and(|slot| gone(slot) || self.hopeless_dependency(slot).is_some())
        })
    }
}

/// Writes into the supervisor's own log, for events that nobody asked for.
fn note(what: &str) {
    use std::io::Write;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{} {what}", now.as_millis());
}

fn how(status: ExitStatus) -> String {
    format!("ended with {status}")
}
