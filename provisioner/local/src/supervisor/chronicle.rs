//! The chronicle of events, one JSON value a line, for a later look. Nothing is decided by it, so an event that cannot
//! be written is left out.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::place::Place;
use super::process;
use super::protocol::{Event, Request, What};

/// The size at which a supervisor begins another file when it starts. The file before is kept.
const CAP: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: u64,
    /// The part. It is empty for an event about all of them.
    pub part: String,
    /// One word. Events: `starting`, `ready`, `exited`, `failed`, `stopping`, `stopped`. Requests: `kill`, `pause`,
    /// `resume`, `restart`, `apply`, `stop`. And `began`.
    pub what: String,
    pub text: String,
}

impl Entry {
    pub fn now(part: &str, what: &str, text: &str) -> Entry {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Entry { at, part: part.into(), what: what.into(), text: text.into() }
    }
}

pub fn begin(place: &Place) {
    let path = place.chronicle();
    if path.metadata().is_ok_and(|file| file.len() > CAP) {
        let _ = std::fs::rename(&path, path.with_extension("1"));
    }
    write(place, "", "began", "the supervisor began");
}

pub fn event(place: &Place, event: &Event) {
    let (what, text) = match &event.what {
        What::Starting => ("starting", String::new()),
        What::Ready { after_ms } => ("ready", format!("after {after_ms} ms")),
        What::Exited { how, again_in_ms } => ("exited", format!("{how}; again in {again_in_ms} ms")),
        What::Failed { error } => ("failed", error.clone()),
        What::Stopping => ("stopping", String::new()),
        What::Stopped => ("stopped", String::new()),
    };
    write(place, &event.part, what, &text);
}

/// Notes a request. Events tell what becomes of it.
pub fn asked(place: &Place, request: &Request) {
    match request {
        Request::Apply { wanted } => write(place, "", "apply", &format!("{} parts should run", wanted.parts.len())),
        Request::Stop => write(place, "", "stop", "everything should stop"),
        Request::Kill { part } => write(place, part, "kill", ""),
        Request::Pause { part } => write(place, part, "pause", ""),
        Request::Resume { part } => write(place, part, "resume", ""),
        Request::Restart { part } => write(place, part, "restart", ""),
        Request::Hold { part } => write(place, part, "hold", ""),
        _ => {}
    }
}

pub fn write(place: &Place, part: &str, what: &str, text: &str) {
    let Ok(mut line) = serde_json::to_vec(&Entry::now(part, what, text)) else { return };
    line.push(b'\n');
    let _ = process::append(&place.chronicle()).and_then(|mut file| file.write_all(&line));
}
