//! The processes of one function, and the events that wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::config::Config;
use super::counts::{Counted, Counts};
use super::failure::{Failure, Outcome, Refused};
use super::process;
use super::runtime_api::Call;
use crate::messaging::new_id;

pub struct Pool {
    pub config: Config,
    pub port: u16,
    pub counts: Counts,
    state: Mutex<State>,
    readiness: watch::Sender<Readiness>,
    /// The number of events that processes have.
    busy: watch::Sender<usize>,
}

/// Whether the first process has asked for its first event.
#[derive(Debug, Clone, PartialEq)]
pub enum Readiness {
    Starting,
    Ready,
    /// The first process could not start.
    Failed(Failure),
}

/// An event, with somebody who waits for its outcome.
pub struct Job {
    pub id: String,
    pub event: Bytes,
    pub trace: String,
    pub answer: oneshot::Sender<Outcome>,
}

/// Whether an event waits for a process even if the concurrency is reserved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Patience {
    Waits,
    IsRefused,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// The processes that wait for an event. The last one has waited least, and is the next to get one.
    idle: Vec<oneshot::Sender<Job>>,
    /// The processes that have not asked for their first event.
    starting: usize,
    /// The processes that have just answered, and ask for another event in a moment.
    returning: usize,
    processes: BTreeMap<String, mpsc::Sender<Call>>,
    stopping: bool,
}

impl Pool {
    pub fn new(config: Config, port: u16) -> Arc<Pool> {
        let (readiness, busy) = (watch::Sender::new(Readiness::Starting), watch::Sender::new(0));
        Arc::new(Pool { config, port, counts: Counts::default(), state: Mutex::default(), readiness, busy })
    }

    /// Hands an event to a process, and waits for its outcome. If the caller stops to wait before a process has the
    /// event, no process gets it.
    pub async fn invoke(
        self: &Arc<Self>,
        id: &str,
        event: Bytes,
        trace: &str,
        patience: Patience,
    ) -> Result<Outcome, Refused> {
        let (answer, outcome) = oneshot::channel();
        let job = Job { id: id.to_owned(), event, trace: trace.to_owned(), answer };
        {
            let mut state = self.state();
            if state.stopping {
                return Err(Refused::Stopping);
            }
            state.waiting.retain(|job| !job.answer.is_closed());
            let is_full = *self.busy.borrow() + state.waiting.len() >= self.config.processes as usize;
            if self.config.reserved && is_full && patience == Patience::IsRefused {
                self.counts.throttled();
                return Err(Refused::Throttled);
            }
            state.waiting.push_back(job);
        }
        self.distribute();
        outcome.await.map_err(|_| Refused::Stopping)
    }

    /// Starts the first process. The others start when there is something for them to do.
    pub fn begin(self: &Arc<Self>) {
        self.start(&mut self.state());
    }

    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// Takes no event any more, and waits for those that processes have.
    pub async fn stop(&self, within: Duration) {
        {
            let mut state = self.state();
            state.stopping = true;
            state.waiting.clear();
        }
        let _ = tokio::time::timeout(within, self.busy.subscribe().wait_for(|busy| *busy == 0)).await;
    }

    pub fn counted(&self) -> Counted {
        let state = self.state();
        let (processes, waiting) = (state.processes.len(), state.waiting.len());
        Counted { processes, waiting, busy: *self.busy.borrow(), ..self.counts.counted() }
    }

    /// Where the calls of a process go. `None` if there is no such process, or it was replaced.
    pub fn process(&self, token: &str) -> Option<mpsc::Sender<Call>> {
        self.state().processes.get(token).cloned()
    }

    /// Notes that a process has asked for its first event.
    pub fn started(&self) {
        self.state().starting -= 1;
        self.readiness.send_if_modified(|readiness| match readiness {
            Readiness::Starting => {
                *readiness = Readiness::Ready;
                true
            }
            _ => false,
        });
    }

    /// Notes that a process did not come to ask for an event. The event that has waited longest fails with it.
    pub fn not_started(self: &Arc<Self>, token: &str, failure: Failure) {
        let oldest = {
            let mut state = self.state();
            state.starting -= 1;
            state.waiting.retain(|job| !job.answer.is_closed());
            state.waiting.pop_front()
        };
        if let Some(job) = oldest {
            self.counts.invoked(Duration::ZERO, Some(&failure));
            let _ = job.answer.send(Outcome::Failed(failure.clone()));
        }
        self.readiness.send_if_modified(|readiness| match readiness {
            Readiness::Starting => {
                *readiness = Readiness::Failed(failure);
                true
            }
            _ => false,
        });
        self.ended(token);
    }

    pub fn ended(self: &Arc<Self>, token: &str) {
        self.state().processes.remove(token);
        self.distribute();
    }

    /// The place where an idle process waits for its next event.
    pub fn next_job(self: &Arc<Self>) -> oneshot::Receiver<Job> {
        let (sender, receiver) = oneshot::channel();
        self.state().idle.push(sender);
        self.distribute();
        receiver
    }

    /// Gives an event back that a process was given and cannot take.
    pub fn give_back(self: &Arc<Self>, job: Job) {
        self.done();
        self.state().waiting.push_front(job);
        self.distribute();
    }

    /// Notes that a process has its event no more, and has ended.
    pub fn done(&self) {
        self.busy.send_modify(|busy| *busy -= 1);
    }

    /// Notes that a process has answered its event.
    pub fn answered(&self) {
        self.done();
        self.state().returning += 1;
    }

    /// Notes that a process has asked for another event, or takes its time. If it has asked, it is idle next.
    pub fn returned(self: &Arc<Self>, has_asked: bool) {
        self.state().returning -= 1;
        if !has_asked {
            self.distribute();
        }
    }

    pub fn is_last(&self) -> bool {
        self.state().processes.len() <= 1
    }

    /// Brings waiting events to idle processes, and starts processes for the rest.
    fn distribute(self: &Arc<Self>) {
        let mut state = self.state();
        while let Some(job) = state.waiting.pop_front() {
            if job.answer.is_closed() {
                continue;
            }
            let Some(process) = state.idle.pop() else {
                state.waiting.push_front(job);
                break;
            };
            match process.send(job) {
                Ok(()) => self.busy.send_modify(|busy| *busy += 1),
                // The process has ended meanwhile.
                Err(job) => state.waiting.push_front(job),
            }
        }
        let most = self.config.processes as usize;
        let is_missing = |state: &State| state.waiting.len() > state.starting + state.returning;
        while !state.stopping && is_missing(&state) && state.processes.len() < most {
            self.start(&mut state);
        }
    }

    fn start(self: &Arc<Self>, state: &mut State) {
        let token = new_id();
        let (calls, heard) = mpsc::channel(4);
        state.starting += 1;
        state.processes.insert(token.clone(), calls);
        tokio::spawn(process::run(Arc::clone(self), token, heard));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is done before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
