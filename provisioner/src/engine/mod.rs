//! Carries out a plan.
//!
//! Every resource is a node that runs as soon as the outputs that it needs have been published. Nothing is rolled back:
//! the resources that depend on a failed one are skipped, the others go on, and running again is the recovery.
//! Resources that nobody wants any more are deleted last.

mod act;
mod gather;
mod nodes;
mod poll;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, denial};
use crate::kind::any::AnyLive;
use crate::kind::board::{Board, Published};
use crate::kind::facts::Address;
use crate::kind::{Late, Status};
use crate::plan::Action;
use crate::plan::diff::changes;
use crate::wait;

pub use report::{Ending, News, Outcome, Progress, Report, Work};

pub(crate) use act::retag;

use act::{Did, Target};
use nodes::{Node, Phase, Task};

/// How many calls that change something may be under way at once. The rate limits of each API come on top.
const CONCURRENT: usize = 32;

/// Carries out the plan. Returns when everything is done, failed or skipped, or when it was told to stop and the calls in
/// flight have ended.
pub async fn apply(cx: &Cx, work: &Work<'_>, progress: &mut dyn FnMut(Progress)) -> Report {
    let mut engine = Engine {
        cx,
        work,
        board: work.snapshot.board(),
        nodes: nodes::from_plan(work),
        in_flight: FuturesUnordered::new(),
        polling: BTreeSet::new(),
        acting: 0,
        started: Instant::now(),
        serving: None,
        progress,
    };
    engine.forget_what_will_move();
    engine.run().await;
    engine.report()
}

enum Event {
    Made(usize, Result<Did, Error>),
    Removed(usize, Result<(), Error>),
    Polled(&'static str, Vec<poll::Seen>),
    Explained(usize, Evidence),
}

struct Engine<'a, 'p> {
    cx: &'a Cx,
    work: &'a Work<'a>,
    board: Board,
    nodes: Vec<Node<'a>>,
    in_flight: FuturesUnordered<BoxFuture<'a, Event>>,
    /// Services with a poll under way: each service has one poller.
    polling: BTreeSet<&'static str>,
    acting: usize,
    started: Instant,
    serving: Option<f64>,
    progress: &'p mut dyn FnMut(Progress),
}

impl Engine<'_, '_> {
    async fn run(&mut self) {
        loop {
            let stopping = self.cx.stop.reason().is_some();
            if !stopping {
                self.start_what_can();
                self.start_polls();
            }
            let due = if stopping { None } else { self.next_poll() };
            if self.in_flight.is_empty() && due.is_none() {
                return;
            }
            let pause = due.map_or(Duration::from_millis(200), |due| due.saturating_duration_since(Instant::now()));
            tokio::select! {
                Some(event) = self.in_flight.next(), if !self.in_flight.is_empty() => self.handle(event),
                () = wait::pause(pause.min(Duration::from_millis(200))) => {}
            }
        }
    }

    /// Withdraws the outputs of resources that are replaced or get a new revision, so that nobody uses them until there
    /// are new ones.
    fn forget_what_will_move(&mut self) {
        for step in &self.work.plan.steps {
            let moves = match &step.action {
                Action::Replace { .. } | Action::Create { .. } => true,
                Action::Update { .. } => nodes::moves(step),
                _ => false,
            };
            if moves {
                self.board.withdraw(&step.address);
            }
        }
    }

    fn start_what_can(&mut self) {
        // Nodes are in the order of the longest path behind them, so the first node that can start is the one to start.
        for index in 0..self.nodes.len() {
            if self.acting >= CONCURRENT {
                return;
            }
            if self.nodes[index].phase != Phase::Waiting || !self.nodes[index].awake {
                continue;
            }
            self.nodes[index].awake = false;
            match self.nodes[index].task {
                Task::Make => self.try_to_make(index),
                Task::Remove => self.try_to_remove(index),
            }
        }
    }

    fn try_to_make(&mut self, index: usize) {
        let node = &self.nodes[index];
        let wanted = node.wanted.expect("what is made is wanted");
        if let Some(first) = self.unmet(index) {
            return self.wait_or_skip(index, first);
        }
        let late = if node.live.is_some() { Late::IsAwaited } else { Late::MayBeAbsent };
        let outputs = self.board.outputs(late);
        let want = match wanted.kind.want(&self.cx.scope, &wanted.address.name, &wanted.spec, &outputs) {
            Ok(want) => want,
            Err(missing) => return self.skip_if_lost(index, &missing.on),
        };
        let without = outputs.looked_up().without;
        let target = Target {
            kind: node.kind,
            name: node.address.name.clone(),
            spec: wanted.spec.clone(),
            want: want.clone(),
            live: node.live.clone(),
            board: self.board.for_reads(node.kind.facts()),
            may_exist_unseen: self.work.unclean && !node.removed_before,
            planned: node.may_change,
        };
        let left = match &node.live {
            None => Vec::new(),
            Some(live) => changes(&self.cx.scope, node.kind.facts(), live, &want),
        };
        let creates = node.live.is_none();
        let changes = creates || !left.is_empty();
        // A busy resource is left alone until it is ready: AWS would refuse the change.
        if changes && let Some(Status::Busy(word)) = node.live.as_ref().map(|live| live.status.clone()) {
            self.tell(index, News::Waiting(word));
            return self.settle(index);
        }
        let node = &mut self.nodes[index];
        node.want = Some(want);
        node.left = left;
        node.without = without;
        node.phase = Phase::Acting;
        node.began = Instant::now();
        self.acting += 1;
        if changes {
            self.tell(index, if creates { News::Creating } else { News::Updating });
        }
        let cx = self.cx;
        self.in_flight.push(Box::pin(async move { Event::Made(index, act::make(cx, target).await) }));
    }

    fn try_to_remove(&mut self, index: usize) {
        if let Some(first) = self.unmet(index) {
            return self.wait_or_skip(index, first);
        }
        let node = &mut self.nodes[index];
        node.phase = Phase::Acting;
        node.began = Instant::now();
        let (kind, live) = (node.kind, node.live.clone().expect("what goes is live"));
        let unprotect = self.work.unprotect.contains(&node.address);
        let (cx, last) = (self.cx, self.work.last_wish);
        self.acting += 1;
        self.tell(index, News::Deleting);
        self.in_flight
            .push(Box::pin(async move { Event::Removed(index, act::remove(cx, kind, live, last, unprotect).await) }));
    }

    /// The first node that this one has to wait for and that is not done.
    fn unmet(&self, index: usize) -> Option<usize> {
        self.nodes[index].after.iter().copied().find(|other| self.nodes[*other].phase != Phase::Done)
    }

    fn wait_or_skip(&mut self, index: usize, on: usize) {
        if let Some(root) = self.nodes[on].lost() {
            self.finish(index, Phase::Lost, Ending::Skipped { after: root });
        }
    }

    fn skip_if_lost(&mut self, index: usize, on: &Address) {
        let other = self.nodes.iter().position(|node| node.task == Task::Make && node.address == *on);
        if let Some(other) = other {
            self.wait_or_skip(index, other);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Made(index, result) => {
                self.acting -= 1;
                match result {
                    Ok(did) => self.made(index, did),
                    Err(error) => self.fail(index, &error),
                }
            }
            Event::Removed(index, result) => {
                self.acting -= 1;
                match result {
                    Ok(()) => self.settle(index),
                    Err(error) => self.fail(index, &error),
                }
            }
            Event::Polled(service, seen) => {
                self.polling.remove(service);
                self.seen(seen);
            }
            Event::Explained(index, evidence) => self.add_evidence(index, evidence),
        }
    }

    fn made(&mut self, index: usize, did: Did) {
        let node = &mut self.nodes[index];
        match did {
            Did::Nothing(live) => {
                let (address, published) = (live.address.clone(), published(&live));
                let ready = live.status == Status::Ready;
                node.live = Some(live);
                self.publish(&address, published);
                if ready {
                    return self.done(index);
                }
            }
            Did::Created(output) => {
                node.did = Some(Ending::Created);
                let address = node.address.clone();
                self.publish(&address, Published { output, ready: None });
            }
            Did::Updated(live) => {
                node.did = Some(node.did.take().unwrap_or(Ending::Updated));
                if node.moves {
                    let address = node.address.clone();
                    self.board.withdraw(&address);
                } else {
                    let (address, published) = (live.address.clone(), published(&live));
                    self.publish(&address, published);
                }
            }
        }
        self.settle(index);
    }

    /// Hands the node over to the poller, which watches it from now on.
    fn settle(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.phase = Phase::Settling;
        node.began = Instant::now();
        node.looks = 0;
        node.due = Instant::now() + poll::first(self.cx.clock, node);
    }

    fn done(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.task == Task::Remove {
            let address = node.address.clone();
            self.board.withdraw(&address);
            return self.finish(index, Phase::Done, Ending::Deleted);
        }
        let ending = node.did.clone().unwrap_or(Ending::Unchanged);
        self.finish(index, Phase::Done, ending);
        self.refresh(index);
        self.note_serving();
    }

    /// Lets a node that is done act again, if an output that has come since changes what is wanted of it.
    fn refresh(&mut self, index: usize) {
        let node = &self.nodes[index];
        let (Some(wanted), Some(want), Phase::Done) = (node.wanted, &node.want, node.phase) else {
            return;
        };
        let late = if node.without.is_empty() { Late::MayBeAbsent } else { Late::IsAwaited };
        let now = wanted.kind.want(&self.cx.scope, &wanted.address.name, &wanted.spec, &self.board.outputs(late));
        let waits_for_late = matches!(&now, Err(missing) if node.without.contains(&missing.on));
        if waits_for_late || now.as_ref() == Ok(want) {
            return;
        }
        let node = &mut self.nodes[index];
        node.phase = Phase::Waiting;
        node.awake = true;
        node.may_change = true;
    }

    fn publish(&mut self, address: &Address, published: Published) {
        if self.board.get(address) == Some(&published) {
            return;
        }
        self.board.publish(address, published);
        for index in nodes::users(&self.nodes, address) {
            self.nodes[index].awake = true;
            self.refresh(index);
        }
    }

    fn fail(&mut self, index: usize, error: &Error) {
        if error.code == "Stopped" {
            return self.finish(index, Phase::Lost, Ending::Stopped);
        }
        let (message, encoded) = denial::split(&error.message);
        let error = Error { message: message.to_owned(), ..error.clone() };
        let text = format!("{}: {error}", self.nodes[index].doing());
        self.fail_because(index, text, encoded.map(str::to_owned));
    }

    fn fail_with(&mut self, index: usize, error: String) {
        self.fail_because(index, error, None);
    }

    /// Ends the node as failed, and starts to gather evidence. `encoded` is the encoded reason, where AWS gave one.
    fn fail_because(&mut self, index: usize, error: String, encoded: Option<String>) {
        self.finish(index, Phase::Lost, Ending::Failed { error, evidence: Evidence::default() });
        let (cx, kind, live) = (self.cx, self.nodes[index].kind, self.nodes[index].live.clone());
        if live.is_none() && encoded.is_none() {
            return;
        }
        self.in_flight.push(Box::pin(async move {
            let by_kind = live.as_ref().map(|live| kind.explain(cx, live));
            Event::Explained(index, gather::gather(cx, by_kind, encoded.as_deref()).await)
        }));
    }

    fn add_evidence(&mut self, index: usize, found: Evidence) {
        if let Some(Ending::Failed { evidence, .. }) = &mut self.nodes[index].ending {
            evidence.add(found);
        }
    }

    fn finish(&mut self, index: usize, phase: Phase, ending: Ending) {
        let news = match &ending {
            Ending::Created => Some(News::Created),
            Ending::Updated => Some(News::Updated),
            Ending::Deleted => Some(News::Deleted),
            Ending::Failed { error, .. } => Some(News::Failed(error.clone())),
            _ => None,
        };
        self.nodes[index].phase = phase;
        self.nodes[index].ending = Some(ending);
        self.nodes[index].took = self.nodes[index].first_began.unwrap_or(self.started).elapsed();
        if let Some(news) = news {
            self.tell(index, news);
        }
        // Nodes that wait for this one look again.
        for other in 0..self.nodes.len() {
            if self.nodes[other].phase == Phase::Waiting {
                self.nodes[other].awake = true;
            }
        }
    }

    fn note_serving(&mut self) {
        let mut serving = self.nodes.iter().filter(|node| node.serves).peekable();
        if self.serving.is_some()
            || serving.peek().is_none()
            || !serving.all(|node| node.ending.as_ref().is_some_and(Ending::is_good))
        {
            return;
        }
        self.serving = Some(self.started.elapsed().as_secs_f64());
        if let Some(index) = self.nodes.iter().position(|node| node.serves) {
            self.tell(index, News::Serving);
        }
    }

    fn tell(&mut self, index: usize, news: News) {
        let done = self.nodes.iter().filter(|node| node.ending.is_some()).count();
        let node = &mut self.nodes[index];
        node.first_began.get_or_insert_with(Instant::now);
        (self.progress)(Progress {
            address: node.address.clone(),
            news,
            after: self.started.elapsed(),
            done: (done, self.nodes.len()),
        });
    }

    fn report(self) -> Report {
        let outcomes = self.nodes.into_iter().filter_map(|node| {
            let result = node.ending.unwrap_or(Ending::Stopped);
            // A replacement is two nodes. The node that creates reports it, so the node that removes does not.
            let half = node.half_of_replacement && result == Ending::Deleted;
            (!half).then_some(Outcome { address: node.address, result, seconds: node.took.as_secs_f64() })
        });
        Report {
            outcomes: outcomes.collect(),
            board: self.board,
            seconds: self.started.elapsed().as_secs_f64(),
            serving_seconds: self.serving,
            stopped: self.cx.stop.reason(),
        }
    }
}

fn published(live: &AnyLive) -> Published {
    Published { output: live.output.clone(), ready: live.ready.clone() }
}
