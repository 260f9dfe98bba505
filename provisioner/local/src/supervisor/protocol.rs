//! The messages between client and supervisor: one JSON value a line, over a socket that only the owner can open.

use std::fmt;

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::part::{View, Wanted};

/// The version of the protocol. A supervisor of another version is stopped and replaced. `Hello` and `Stop` keep their
/// form for ever, so that this works.
pub const PROTOCOL: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    Hello,
    /// The answer is events, then the outcome.
    Apply {
        wanted: Wanted,
    },
    Status,
    /// A supervisor of an earlier version does not understand this.
    Views,
    /// The answer is events, then the end of the connection: the supervisor is gone.
    Stop,
    Kill {
        part: String,
    },
    Pause {
        part: String,
    },
    Resume {
        part: String,
    },
    Restart {
        part: String,
    },
    Hold {
        part: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Reply {
    Hello {
        protocol: u32,
        pid: i32,
        start: u64,
    },
    Event {
        event: Event,
    },
    Outcome {
        outcome: Outcome,
    },
    Status {
        parts: Vec<PartStatus>,
    },
    /// Each part that has a process, as that process was started. For the others, as they are to be started.
    Views {
        views: BTreeMap<String, View>,
    },
    Done,
    Refused {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub part: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Starting,
    Ready { after_ms: u64 },
    Exited { how: String, again_in_ms: u64 },
    Failed { error: String },
    Stopping,
    Stopped,
}

/// The outcome of an `apply`. Every part is in one of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub ready: Vec<String>,
    pub failed: Vec<Failure>,
    pub skipped: Vec<Skipped>,
}

/// A part that failed. The first line of `error` says why. The other lines are the last ones of the part's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub part: String,
    pub error: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    pub part: String,
    pub after: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartStatus {
    pub name: String,
    pub kind: String,
    pub state: State,
    pub pid: Option<u32>,
    pub port: Option<u16>,
    /// The process's share of the machine's memory (Pss).
    pub memory_kib: Option<u64>,
    pub restarts: u64,
    /// The start of this process, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// The fingerprint of the running part. If the wanted part has another one, a change is under way.
    pub fingerprint: Option<String>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for the parts that it starts after.
    Waiting,
    Starting,
    Ready,
    Paused,
    Stopping,
    /// It died and is started again in a moment.
    BackOff,
    /// It died too often. The next `apply` tries again.
    Failed,
    /// It was ended by hand. The next `apply` starts it again.
    Held,
}

impl Failure {
    pub fn cause(&self) -> &str {
        first_line(&self.error)
    }
}

pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Waiting => "waiting",
            State::Starting => "starting",
            State::Ready => "ready",
            State::Paused => "paused",
            State::Stopping => "stopping",
            State::BackOff => "starting again",
            State::Failed => "failed",
            State::Held => "held",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = &self.part;
        match &self.what {
            What::Starting => write!(f, "{part}: starting"),
            What::Ready { after_ms } => write!(f, "{part}: ready after {after_ms} ms"),
            What::Exited { how, again_in_ms } => write!(f, "{part}: {how}; again in {again_in_ms} ms"),
            What::Failed { error } => write!(f, "{part}: {}", first_line(error)),
            What::Stopping => write!(f, "{part}: stopping"),
            What::Stopped => write!(f, "{part}: stopped"),
        }
    }
}
