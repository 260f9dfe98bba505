//! The relay: does what the outbox says, at least once, one task of the service at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, FromRowError, Row};
use serde_json::json;
use tokio::sync::Notify;

use super::Service;
use super::publish::Publisher;
use crate::background::Loop;
use crate::database::{self, STATEMENT_TIMEOUT};
use crate::ready::Ready;
use crate::{metrics, telemetry};

pub struct Relay {
    service: Arc<Service>,
    effect: Effect,
    lock: String,
}

pub enum Effect {
    Publish(Publisher),
    Invalidate,
}

/// What the handlers tell the relays of the same process.
#[derive(Default)]
pub struct Pending {
    /// Invalidations that were done on the way of the answer.
    invalidated: Mutex<HashSet<u64>>,
    publish: Notify,
    invalidate: Notify,
}

pub struct Pended {
    pub id: u64,
    pub reservation_id: i32,
    pub version: u32,
    pub event: Option<String>,
    pub traceparent: String,
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
        self.publish.notify_one();
        self.invalidate.notify_one();
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
    pub fn new(service: &Arc<Service>, schema: &str, effect: Effect) -> Self {
        let lock = database::lock_name(schema, &format!("relay.{}", effect.name()));
        Relay { service: Arc::clone(service), effect, lock }
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

impl Effect {
    fn name(&self) -> &'static str {
        match self {
            Effect::Publish(_) => "publish",
            Effect::Invalidate => "invalidate",
        }
    }

    /// The longest between two attempts. An invalidation that waits is a wrong answer.
    fn longest_pause(&self) -> Duration {
        match self {
            Effect::Publish(_) => Duration::from_secs(5),
            Effect::Invalidate => Duration::from_secs(1),
        }
    }

    fn woken<'a>(&self, pending: &'a Pending) -> &'a Notify {
        match self {
            Effect::Publish(_) => &pending.publish,
            Effect::Invalidate => &pending.invalidate,
        }
    }

    async fn deliver(&self, service: &Service, rows: Vec<Pended>) -> Delivered {
        match self {
            Effect::Publish(publisher) => publisher.publish(rows).await,
            Effect::Invalidate => invalidate(service, rows).await,
        }
    }
}

const SELECT: &str =
    "SELECT id, reservation_id, version, event, traceparent FROM outbox WHERE effect = ? ORDER BY id LIMIT 100";
/// Of the 100 rows of a read. With fewer, the next read waits for company: a call costs the same with one event as with ten.
const FULL: usize = 50;
const LINGER: Duration = Duration::from_millis(20);
const REMEMBERED: usize = 10_000;
/// What another task's handlers wrote is found by asking.
const POLL: Duration = Duration::from_millis(200);
const FOLLOWER_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Seconds that the lock outlives a task that vanished.
const SESSION: u32 = 20;

/// While this task has the lock, which ends with its connection. `Ok` when another task has it, or the process stops.
async fn lead(relay: &Relay, this: &mut Loop, failures: &mut Failures) -> anyhow::Result<()> {
    let Relay { service, effect, lock } = relay;
    let Some(mut connection) = service.database.primary.locked_session(lock, SESSION).await? else { return Ok(()) };
    let mut pause = FIRST_PAUSE;
    loop {
        this.beat();
        let rows = tokio::time::timeout(STATEMENT_TIMEOUT, connection.exec(SELECT, (effect.name(),))).await;
        let Ok(rows) = rows else { anyhow::bail!("no answer from the database") };
        let rows: Vec<Pended> = rows?;
        if rows.is_empty() {
            if this.is_stopping() {
                return Ok(());
            }
            let woken = tokio::time::timeout(POLL, effect.woken(&service.pending).notified());
            this.unless_stopping(woken).await;
            this.sleep(LINGER).await;
            continue;
        }
        let Delivered { done, failed } = effect.deliver(service, one_of_each(rows)).await;
        if !done.is_empty() {
            forget(&mut connection, &done).await?;
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

/// The first event of each reservation: two at the same time could overtake each other.
fn one_of_each(rows: Vec<Pended>) -> Vec<Pended> {
    let mut seen = HashSet::new();
    rows.into_iter().filter(|row| seen.insert(row.reservation_id)).collect()
}

async fn forget(connection: &mut Conn, done: &[u64]) -> anyhow::Result<()> {
    let ids: Vec<String> = done.iter().map(u64::to_string).collect();
    let delete = format!("DELETE FROM outbox WHERE id IN ({})", ids.join(", "));
    let deleted = tokio::time::timeout(STATEMENT_TIMEOUT, connection.query_drop(delete)).await;
    ensure!(deleted.is_ok(), "no answer from the database");
    Ok(deleted??)
}

async fn invalidate(service: &Service, rows: Vec<Pended>) -> Delivered {
    let mut delivered = Delivered::default();
    for row in rows {
        if !service.pending.take(row.id)
            && let Err(error) = service.cache.invalidate(row.reservation_id, row.version).await
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

impl FromRow for Pended {
    fn from_row_opt(row: Row) -> Result<Self, FromRowError> {
        let (id, reservation_id, version, event, traceparent) = FromRow::from_row_opt(row)?;
        Ok(Pended { id, reservation_id, version, event, traceparent })
    }
}
