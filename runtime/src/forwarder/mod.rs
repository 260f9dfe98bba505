//! The log forwarder. Log events come from CloudWatch Logs, or from files on a laptop, and OpenSearch stores them.
//!
//! A document is created under the id of its event, in the index of the event's day. So it changes nothing to forward
//! an event again. An event without an answer is sent again. A forwarder that was ended half-way begins again. An event
//! is done with once the search domain has it. If the search domain will never take it, the event is done with once the
//! queue for such events has it.

mod backfill;
mod bulk;
mod deliver;
mod failed;
pub mod follow;
mod install;
mod pause;
mod payload;
mod poll;
mod readers;
mod search;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use self::pause::Pause;
use self::payload::Events;
use crate::config::{self, Environment};
use crate::functions::{Function, Invocation};
use crate::http::client::Client;
use crate::telemetry;

pub struct Forwarder {
    config: config::Forwarder,
    client: Client,
    /// Whether the search domain was told how to index the documents.
    installed: AtomicBool,
    /// The log groups whose events from before the subscription are all in the search domain.
    caught_up: Mutex<BTreeSet<String>>,
    /// Whether all groups were looked at without a failure.
    looked: AtomicBool,
}

/// How many events there were, by what became of them.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    pub stored: usize,
    pub already_stored: usize,
    /// How many events are in the queue for events that the search domain will never take.
    pub set_aside: usize,
    /// The events that the search domain will never take, if there is no queue for them: how many, by reason. A reason
    /// never has the text of an event in it.
    pub refused: BTreeMap<String, usize>,
    /// The events that may be stored another time: how many, by reason.
    pub unsent: BTreeMap<String, usize>,
}

/// The forwarder as a Lambda function.
pub fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::Forwarder::read(environment)?;
    telemetry::init(&config.telemetry);
    let forwarder = Arc::new(Forwarder::new(config)?);
    Ok(Function {
        error_type: "Forwarder.NotStored",
        handle: Box::new(move |invocation| Box::pin(answer(Arc::clone(&forwarder), invocation))),
    })
}

async fn answer(forwarder: Arc<Forwarder>, invocation: Invocation) -> anyhow::Result<Vec<u8>> {
    let Invocation { request_id, event, left } = invocation;
    let tally = forwarder.handle(&event, left).await?;
    telemetry::info("forwarded", &json!({ "request_id": request_id, "tally": tally }));
    Ok(serde_json::to_vec(&tally)?)
}

impl Forwarder {
    pub fn new(config: config::Forwarder) -> anyhow::Result<Self> {
        let client = Client::new()?;
        let installed = AtomicBool::new(false);
        Ok(Forwarder { config, client, installed, caught_up: Mutex::default(), looked: AtomicBool::new(false) })
    }

    /// Handles one event of a CloudWatch Logs subscription, as Lambda hands it over, in the time that Lambda gives.
    /// Every one of its log events is tried. It is an error if any of them is not done with.
    ///
    /// CloudWatch Logs probes a subscription when it is put. The past of the log group is fetched then. If the probe
    /// fails or is lost, the next event fetches the past.
    pub async fn handle(&self, event: &[u8], left: Duration) -> anyhow::Result<Tally> {
        let time = Time::within(left);
        let Some(events) = payload::decode(event)? else {
            telemetry::debug("probe", &json!({}));
            return self.catch_up(Instant::now() + SEEN_WITHIN, time).await;
        };
        let tally = self.store(&events, time).await?.ensure_done()?;
        if self.looked.load(Ordering::Relaxed) {
            return Ok(tally);
        }
        // These events are stored. A failure of the backfill must not make Lambda send them again.
        let backfill = tokio::time::timeout_at(time.to_store, self.catch_up(Instant::now(), time)).await;
        if let Ok(Err(error)) = backfill {
            telemetry::error("not_backfilled", &json!({ "message": format!("{error:#}") }));
        }
        Ok(tally)
    }

    /// Fetches the past of every group that has a subscription. A subscription that is just being put is visible a
    /// moment later. So a group without one is asked for again until `seen`.
    async fn catch_up(&self, seen: Instant, time: Time) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut pause = Pause::new(LOOK_AGAIN);
        loop {
            let mut without = 0;
            for log_group in &self.config.shipped {
                if self.caught_up.lock().unwrap_or_else(PoisonError::into_inner).contains(log_group) {
                    continue;
                }
                match backfill::run(self, log_group, time).await? {
                    Some(fetched) => {
                        tally.add(fetched);
                        self.caught_up.lock().unwrap_or_else(PoisonError::into_inner).insert(log_group.clone());
                    }
                    None => without += 1,
                }
            }
            self.looked.store(true, Ordering::Relaxed);
            if without == 0 || !pause.wait(seen.min(time.to_store)).await {
                return Ok(tally);
            }
        }
    }

    async fn store(&self, events: &Events, time: Time) -> anyhow::Result<Tally> {
        if !self.installed.load(Ordering::Relaxed) {
            let installed = install::install(self, time.to_store).await?;
            self.installed.store(installed, Ordering::Relaxed);
        }
        let (mut tally, refused) = deliver::deliver(self, events, time.to_store).await;
        if tally.unsent.is_empty() {
            tally.add(failed::set_aside(self, events, refused, time.to_set_aside).await);
        } else {
            // Lambda will send all events again, the refused ones too. So the refused ones do not go to the queue now,
            // which should get each of them once.
            refused.into_iter().for_each(|refused| tally.leave(1, refused.reason));
        }
        Ok(tally)
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.stored += other.stored;
        self.already_stored += other.already_stored;
        self.set_aside += other.set_aside;
        for (reason, events) in other.refused {
            *self.refused.entry(reason).or_default() += events;
        }
        for (reason, events) in other.unsent {
            *self.unsent.entry(reason).or_default() += events;
        }
    }

    fn refuse(&mut self, reason: String) {
        *self.refused.entry(reason).or_default() += 1;
    }

    fn leave(&mut self, events: usize, reason: String) {
        *self.unsent.entry(reason).or_default() += events;
    }

    fn ensure_done(self) -> anyhow::Result<Self> {
        if self.refused.is_empty() && self.unsent.is_empty() {
            return Ok(self);
        }
        let not_stored = || self.refused.iter().chain(&self.unsent);
        let failed: usize = not_stored().map(|(_, events)| events).sum();
        let all = self.stored + self.already_stored + self.set_aside + failed;
        let reasons: Vec<_> = not_stored().map(|(reason, events)| format!("{events} × {reason}")).collect();
        let first = reasons[..reasons.len().min(FIRST_REASONS)].join(", ");
        anyhow::bail!("{failed} of {all} events were not stored: {first}")
    }
}

const FIRST_REASONS: usize = 3;
/// The longest time until a new subscription is visible.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The part of the given time that is kept for the queue and for the answer. It is shorter if little time is given.
const RESERVE: Duration = Duration::from_secs(10);

/// The ends of the given time, for each step.
#[derive(Clone, Copy)]
struct Time {
    to_store: Instant,
    /// After this there is just enough time left to answer.
    to_set_aside: Instant,
}

impl Time {
    fn within(left: Duration) -> Self {
        let reserve = RESERVE.min(left / 4);
        let end = Instant::now() + left;
        Time { to_store: end - reserve, to_set_aside: end - reserve / 2 }
    }
}
