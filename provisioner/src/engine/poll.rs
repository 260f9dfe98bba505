//! The poller. It has one poll per service at a time, reads all resources in flight in batches, and looks more often
//! near the usual end.

use std::time::{Duration, Instant};

use super::nodes::{Node, Phase, Task};
use super::{Ending, Engine, Event, News, published};
use crate::aws::{Error, Look};
use crate::kind::any::AnyLive;
use crate::kind::board::Board;
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::{Late, Status};
use crate::kinds::on_aws::AnyOnAws;
use crate::plan::diff::changes;
use crate::wait::Clock;

/// The answer about one kind: the addresses that were asked about, and the resources that exist.
pub(super) struct Seen {
    kind: &'static str,
    asked: Vec<Address>,
    live: Result<Vec<AnyLive>, Error>,
}

/// The question about one kind.
struct Batch {
    kind: &'static dyn AnyOnAws,
    asked: Vec<Address>,
    wanted: Vec<(String, Json)>,
}

/// A changed attribute may take this long to be seen everywhere (a queue's: up to 60 s). After that we believe that AWS
/// keeps what it shows.
const PROPAGATION_SECONDS: f64 = 70.0;
/// A new resource may stay invisible for this long.
const APPEARANCE_SECONDS: f64 = 120.0;
/// No wait ends before this many looks: where calls are slow, time alone proves nothing.
const LEAST_LOOKS: u32 = 8;

/// The pause before the first look.
pub(super) fn first(clock: Clock, node: &Node<'_>) -> Duration {
    match typical(node) {
        0..=5 => Duration::ZERO,
        _ => pause(clock, 0.0, typical(node)),
    }
}

fn typical(node: &Node<'_>) -> u32 {
    let seconds = node.kind.facts().seconds;
    match (node.task, &node.did) {
        (Task::Remove, _) => seconds.delete,
        (Task::Make, Some(Ending::Updated)) => seconds.update,
        _ => seconds.create,
    }
}

/// The pause between two looks: short near the usual end, and 5 s after it.
fn pause(clock: Clock, elapsed: f64, typical: u32) -> Duration {
    let left = f64::from(typical) - elapsed;
    let seconds = match typical {
        0..=5 => (elapsed / 3.0).clamp(0.3, 5.0),
        _ if left > 0.0 => (left / 5.0).clamp(2.0, 20.0),
        _ => 5.0,
    };
    clock.seconds(seconds).max(Duration::from_millis(20))
}

/// A node without progress for this many seconds has failed. The next run finds its resource again.
fn deadline(node: &Node<'_>) -> f64 {
    let patience = match (node.task, node.wanted) {
        (Task::Make, Some(wanted)) => node.kind.patience(&wanted.spec),
        _ => 0,
    };
    f64::from((typical(node) * 6).max(900) + patience)
}

impl Engine<'_, '_> {
    pub(super) fn next_poll(&self) -> Option<Instant> {
        let idle =
            |node: &&Node<'_>| node.phase == Phase::Settling && !self.polling.contains(node.kind.facts().service());
        self.nodes.iter().filter(idle).map(|node| node.due).min()
    }

    pub(super) fn start_polls(&mut self) {
        let now = Instant::now();
        let mut services: Vec<&'static str> = self
            .nodes
            .iter()
            .filter(|node| node.phase == Phase::Settling && node.due <= now)
            .map(|node| node.kind.facts().service())
            .collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            if self.polling.insert(service) {
                self.poll(service);
            }
        }
    }

    fn poll(&mut self, service: &'static str) {
        let mut batches: Vec<Batch> = Vec::new();
        let pending = |node: &&Node<'_>| node.phase == Phase::Settling && node.kind.facts().service() == service;
        for node in self.nodes.iter().filter(pending) {
            let name = node.kind.facts().name;
            let index = batches.iter().position(|batch| batch.kind.facts().name == name).unwrap_or_else(|| {
                batches.push(Batch { kind: node.kind, asked: Vec::new(), wanted: Vec::new() });
                batches.len() - 1
            });
            batches[index].asked.push(node.address.clone());
            if let Some(wanted) = node.wanted {
                batches[index].wanted.push((node.address.name.clone(), wanted.spec.clone()));
            }
        }
        // A resource that is being removed may have another name than the wanted one, or may not be wanted at all.
        let goes = self.nodes.iter().filter(pending).filter(|node| node.task == Task::Remove);
        let look = Look::closely(goes.filter_map(|node| node.live.as_ref()).map(|live| live.id.clone()).collect());
        let boards: Vec<Board> = batches.iter().map(|batch| self.board.for_reads(batch.kind.facts())).collect();
        let cx = self.cx;
        self.in_flight.push(Box::pin(async move {
            let mut seen = Vec::new();
            for (Batch { kind, asked, wanted }, board) in batches.into_iter().zip(boards) {
                let live = kind.read(cx, &wanted, &board.outputs(Late::MayBeAbsent), &look).await;
                seen.push(Seen { kind: kind.facts().name, asked, live });
            }
            Event::Polled(service, seen)
        }));
    }

    pub(super) fn seen(&mut self, seen: Vec<Seen>) {
        for Seen { kind, asked, live } in seen {
            let live = match live {
                Ok(live) => live,
                Err(error) => {
                    self.poll_failed(kind, &asked, &error);
                    continue;
                }
            };
            for index in 0..self.nodes.len() {
                let node = &self.nodes[index];
                if node.phase == Phase::Settling && node.address.kind == kind && asked.contains(&node.address) {
                    let sight = live.iter().find(|live| live.address == node.address).cloned();
                    self.look_at(index, sight);
                }
            }
        }
    }

    fn look_at(&mut self, index: usize, live: Option<AnyLive>) {
        let elapsed = self.cx.clock.since(self.nodes[index].began);
        self.nodes[index].looks += 1;
        match (self.nodes[index].task, live) {
            (Task::Remove, None) => return self.done(index),
            (Task::Remove, Some(_)) => {}
            (Task::Make, None) if self.looked_enough(index, APPEARANCE_SECONDS) => {
                let text = format!("{}: it was made, but the service does not show it", self.nodes[index].doing());
                return self.fail_with(index, text);
            }
            (Task::Make, None) => {}
            (Task::Make, Some(live)) => {
                if self.grown(index, live) {
                    return;
                }
            }
        }
        self.come_back(index, elapsed);
    }

    /// Whether the node needs no more looks after this sight of its resource.
    fn grown(&mut self, index: usize, live: AnyLive) -> bool {
        let node = &mut self.nodes[index];
        node.live = Some(live.clone());
        match &live.status {
            Status::Failed(reason) => {
                let text = format!("{}: {reason}", node.doing());
                self.fail_with(index, text);
                return true;
            }
            Status::Ready => {}
            Status::Busy(_) | Status::Deleting => {
                // An output that moves with each revision is published only when the new revision is in place.
                if !node.moves {
                    self.publish(&live.address.clone(), published(&live));
                }
                return false;
            }
        }
        // The resource was busy with something else before this node acted.
        let Some(want) = node.want.clone() else {
            node.phase = Phase::Waiting;
            node.awake = true;
            return true;
        };
        let left = changes(&self.cx.scope, node.kind.facts(), &live, &want);
        if node.kind.facts().stepwise && !left.is_empty() && left != node.left {
            node.phase = Phase::Waiting;
            node.awake = true;
            node.may_change = true;
            return true;
        }
        if !left.is_empty() && !self.looked_enough(index, PROPAGATION_SECONDS) {
            return false;
        }
        self.publish(&live.address.clone(), published(&live));
        if self.nodes[index].phase == Phase::Settling {
            self.done(index);
        }
        true
    }

    fn looked_enough(&self, index: usize, seconds: f64) -> bool {
        let node = &self.nodes[index];
        node.looks >= LEAST_LOOKS && self.cx.clock.is_over(node.began, seconds)
    }

    fn come_back(&mut self, index: usize, elapsed: f64) {
        let node = &self.nodes[index];
        if self.looked_enough(index, deadline(node)) {
            let minutes = (elapsed / 60.0).round();
            let text = format!("{}: not done after {minutes} minutes. Run again to go on waiting", node.doing());
            return self.fail_with(index, text);
        }
        let node = &mut self.nodes[index];
        node.due = Instant::now() + pause(self.cx.clock, elapsed, typical(node));
        if let Some(Status::Busy(word)) = node.live.as_ref().map(|live| &live.status) {
            let word = word.clone();
            self.tell(index, News::Waiting(word));
        }
    }

    /// Looks again after a read that failed for a passing reason. Any other reason fails the nodes that were asked
    /// about.
    fn poll_failed(&mut self, kind: &'static str, asked: &[Address], error: &Error) {
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if node.phase != Phase::Settling || node.address.kind != kind || !asked.contains(&node.address) {
                continue;
            }
            if error.worth_retrying(node.kind.facts()).is_some() {
                let elapsed = self.cx.clock.since(node.began);
                self.come_back(index, elapsed);
                continue;
            }
            if error.is_login() {
                self.cx.stop.lose_login();
            }
            self.fail(index, error);
        }
    }
}
