//! What goes into a run, the news during it, and what comes out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::aws::evidence::Evidence;
use crate::kind::board::Board;
use crate::kind::facts::Address;
use crate::kinds::on_aws::{AnyOnAws, LastWish};
use crate::plan::Plan;
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;

/// What to carry out, and how.
pub struct Work<'a> {
    /// The kinds, with their calls.
    pub kinds: &'static [&'static dyn AnyOnAws],
    pub desired: &'a Desired,
    pub plan: &'a Plan,
    pub snapshot: &'a Snapshot,
    /// Whether the run before this one was cut off, so it may have made resources that do not show yet.
    pub unclean: bool,
    /// What `down` does with data.
    pub last_wish: LastWish,
    /// The resources whose protection may be lifted.
    pub unprotect: BTreeSet<Address>,
}

/// News for people, as it happens.
#[derive(Clone, Debug)]
pub struct Progress {
    pub address: Address,
    pub news: News,
    pub after: Duration,
    /// How many nodes are done, and how many there are in all.
    pub done: (usize, usize),
}

#[derive(Clone, Debug)]
pub enum News {
    Creating,
    Updating,
    Deleting,
    Waiting(String),
    Created,
    Updated,
    Deleted,
    Failed(String),
    Serving,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub address: Address,
    pub result: Ending,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Unchanged,
    Created,
    Updated,
    Deleted,
    Failed { error: String, evidence: Evidence },
    Skipped { after: Address },
    Stopped,
}

pub struct Report {
    pub outcomes: Vec<Outcome>,
    pub board: Board,
    pub seconds: f64,
    /// When everything that answers requests was ready. `None` if the stack has no such thing, or if it never became
    /// ready.
    pub serving_seconds: Option<f64>,
    pub stopped: Option<&'static str>,
}

impl Report {
    pub fn failed(&self) -> bool {
        self.stopped.is_some() || self.outcomes.iter().any(|outcome| !outcome.result.is_good())
    }
}

impl Ending {
    pub fn is_good(&self) -> bool {
        matches!(self, Ending::Unchanged | Ending::Created | Ending::Updated | Ending::Deleted)
    }
}
