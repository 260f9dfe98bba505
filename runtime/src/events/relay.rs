//! The relay: does what the outbox says, at least once, one task of the service at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::outbox::{self, Pended};
use super::publish::Publisher;
use crate::background::Loop;
use crate::data::cache::Cache;
use crate::data::database::{self, Database, Hex, STATEMENT_TIMEOUT};
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics};

pub struct Relay {
    database: Arc<Database>,
    pending: Arc<Pending>,
    effect: Effect,
    target: &'static str,
    lock: String,
    woken: Arc<Notify>,
}

pub enum Effect {
    Publish(Publisher),
    Invalidate(Arc<Cache>),
}

/// What the handlers tell the relays of the same process.
#[derive(Default)]
pub struct Pending {
    /// Invalidations that were done on the way of the answer.
    invalidated: Mutex<HashSet<u64>>,
    relays: Mutex<Vec<Arc<Notify>>>,
}

/// What became of some rows.
#[derive(Default)]
pub struct Delivered {
    pub done: Vec<u64>,
    /// Why the others are still to be done.
    pub failed: Option<String>,
}

impl Pending {
    pub fn wake(&self) {
        for relay in self.relays.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            relay.notify_one();
        }
    }

    pub fn invalidated(&self, id: u64) {
        let mut kept = self.invalidated.lock().unwrap_or_else(PoisonError::into_inner);
        // Another task's relay may take the rows; what is forgotten is only done twice.
        if kept.len() >= REMEMBERED {
            kept.clear();
        }
        kept.insert(id);
    }

    fn take(&self, id: u64) -> bool {
        self.invalidated.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

impl Relay {
    /// Does the effects on a target that are in the outbox of a database. `schema` is the name of the database: the relays that
    /// all tasks have for the same target take turns.
    pub fn new(
        database: &Arc<Database>,
        pending: &Arc<Pending>,
        schema: &str,
        target: &'static str,
        effect: Effect,
    ) -> Self {
        let digest = Sha256::digest(format!("{}/{target}", effect.name()));
        let lock = database::lock_name(schema, &format!("effects.{}", Hex(&digest[..4])));
        let woken = Arc::new(Notify::new());
        pending.relays.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&woken));
        Relay { database: Arc::clone(database), pending: Arc::clone(pending), effect, target, lock, woken }
    }
}

/// Until the process stops, and then until the outbox is empty or the next effect fails.
pub async fn run(relay: Relay, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let mut failures = Failures::default();
    loop {
        let ended = lead(&relay, &mut this, &mut failures).await;
        if this.is_stopping() {
            return;
        }
        if let Err(error) = ended {
            failures.tell(relay.effect.name(), &format!("{error:#}"));
        }
        this.sleep(FOLLOWER_PAUSE).await;
    }
}

/// Does what is in the outbox, for a role that has no loops: a Lambda function, after its transaction. What fails, or is not
/// done when a function ends, is done by the next.
pub async fn once(relay: &Relay) -> anyhow::Result<()> {
    let Relay { database, pending, effect, target, lock, .. } = relay;
    // Another one may have looked before the transaction ended, and be about to end itself: so this one waits for its turn.
    let session = database.primary.locked_session(lock, TURN, SESSION).await?;
    let mut connection = session.context("another relay has the outbox all the time")?;
    let outcome = loop {
        let rows = answered(outbox::pended(&mut connection, effect.name(), target)).await?;
        if rows.is_empty() {
            break Ok(());
        }
        let Delivered { done, failed } = effect.deliver(pending, one_of_each(rows)).await;
        if !done.is_empty() {
            answered(outbox::forget(&mut connection, &done)).await?;
        }
        if let Some(failed) = failed {
            break Err(anyhow::anyhow!("{failed}"));
        }
    };
    let _ = connection.disconnect().await;
    outcome
}

impl Effect {
    fn name(&self) -> &'static str {
        match self {
            Effect::Publish(_) => "publish",
            Effect::Invalidate(_) => "invalidate",
        }
    }

    /// The longest between two attempts. An invalidation that waits is a wrong answer.
    fn longest_pause(&self) -> Duration {
        match self {
            Effect::Publish(_) => Duration::from_secs(5),
            Effect::Invalidate(_) => Duration::from_secs(1),
        }
    }

    async fn deliver(&self, pending: &Pending, rows: Vec<Pended>) -> Delivered {
        match self {
            Effect::Publish(publisher) => publisher.publish(rows).await,
            Effect::Invalidate(cache) => invalidate(cache, pending, rows).await,
        }
    }
}

/// Of the 100 rows of a read. With fewer, the next read waits for company: a call costs the same with one event as with ten.
const FULL: usize = 50;
const LINGER: Duration = Duration::from_millis(20);
const REMEMBERED: usize = 10_000;
/// What another task's handlers wrote is found by asking.
const POLL: Duration = Duration::from_millis(200);
const FOLLOWER_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Seconds that a relay without a loop waits for others.
const TURN: u32 = 5;
/// Seconds that the lock outlives a task that vanished.
const SESSION: u32 = 20;

/// While this task has the lock, which ends with its connection. `Ok` when another task has it, or the process stops.
async fn lead(relay: &Relay, this: &mut Loop, failures: &mut Failures) -> anyhow::Result<()> {
    let Relay { database, pending, effect, target, lock, woken } = relay;
    let Some(mut connection) = database.primary.locked_session(lock, 0, SESSION).await? else { return Ok(()) };
    let mut pause = FIRST_PAUSE;
    loop {
        this.beat();
        let rows = answered(outbox::pended(&mut connection, effect.name(), target)).await?;
        if rows.is_empty() {
            if this.is_stopping() {
                return Ok(());
            }
            let woken = tokio::time::timeout(POLL, woken.notified());
            this.unless_stopping(woken).await;
            this.sleep(LINGER).await;
            continue;
        }
        let Delivered { done, failed } = effect.deliver(pending, one_of_each(rows)).await;
        if !done.is_empty() {
            answered(outbox::forget(&mut connection, &done)).await?;
        }
        let Some(failed) = failed else {
            failures.over(effect.name());
            pause = FIRST_PAUSE;
            // Under load there is always one more; together they cost little.
            if done.len() < FULL {
                this.sleep(LINGER).await;
            }
            continue;
        };
        failures.tell(effect.name(), &failed);
        if this.is_stopping() {
            return Ok(());
        }
        this.sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(effect.longest_pause());
    }
}

/// The first effect on each thing: two at the same time could overtake each other.
fn one_of_each(rows: Vec<Pended>) -> Vec<Pended> {
    let mut seen = HashSet::new();
    rows.into_iter().filter(|row| seen.insert(row.subject.clone())).collect()
}

async fn answered<T>(asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(STATEMENT_TIMEOUT, asked).await.context("no answer from the database")?
}

async fn invalidate(cache: &Cache, pending: &Pending, rows: Vec<Pended>) -> Delivered {
    let mut delivered = Delivered::default();
    for row in rows {
        if !pending.take(row.id)
            && let Err(error) = cache.invalidate(&row.subject, row.version).await
        {
            delivered.failed = Some(format!("{error:#}"));
            break;
        }
        delivered.done.push(row.id);
    }
    metrics::count("Invalidated", delivered.done.len() as u64);
    delivered
}

/// One line when an effect begins to fail, one when it is over.
#[derive(Default)]
struct Failures(Option<String>);

impl Failures {
    fn tell(&mut self, effect: &str, message: &str) {
        if self.0.as_deref() != Some(message) {
            telemetry::warn("relay.failed", &json!({ "effect": effect, "message": message }));
            self.0 = Some(message.to_owned());
        }
    }

    fn over(&mut self, effect: &str) {
        if self.0.take().is_some() {
            telemetry::info("relay.recovered", &json!({ "effect": effect }));
        }
    }
}
