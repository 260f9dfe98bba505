//! The relay does the effects that are in the outbox, each at least once. One task of the service works at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use mysql_async::Conn;
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

/// The news that the handlers have for the relays of the same process.
#[derive(Default)]
pub struct Pending {
    /// The ids of the invalidations that a handler did before it answered.
    invalidated: Mutex<HashSet<u64>>,
    relays: Mutex<Vec<Arc<Notify>>>,
}

/// The result of a number of rows.
#[derive(Default)]
pub struct Delivered {
    pub done: Vec<u64>,
    /// Why the other rows are still to be done.
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
        // Another task's relay may take the rows, so some ids would stay here for ever. A forgotten invalidation is
        // only done twice.
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
    /// A relay that does the effects on one target from the outbox of a database. `schema` is the name of the database.
    /// All tasks have a relay for the same target; those relays take turns.
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

    /// The name of the target in the outbox.
    pub fn target(&self) -> &str {
        self.target
    }
}

/// Runs until the process stops, and then until the outbox is empty or the next effect fails.
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

/// Does the effects in the outbox, for a role without loops: a Lambda function on a schedule. It waits for its turn. If an
/// effect fails, or the function ends before it is done, the next invocation does it.
pub async fn once(relay: &Relay) -> anyhow::Result<()> {
    // Another relay may have looked before the last transaction ended, and may be about to end.
    let session = relay.database.primary.locked_session(&relay.lock, TURN, SESSION).await?;
    empty(relay, session.context("another relay has the outbox all the time")?).await
}

/// Does the effects in the outbox unless another relay is at it, for a function that has just committed some. While many
/// write, one publishes for all.
pub async fn in_passing(relay: &Relay) -> anyhow::Result<()> {
    let mut session = relay.database.primary.locked_session(&relay.lock, 0, SESSION).await?;
    if session.is_none() {
        // The other one may have looked before this transaction ended, and may be about to end. If it is still at it
        // after a moment, it will look again, or somebody else has come after the transaction.
        tokio::time::sleep(MOMENT).await;
        session = relay.database.primary.locked_session(&relay.lock, 0, SESSION).await?;
    }
    match session {
        Some(session) => empty(relay, session).await,
        None => Ok(()),
    }
}

impl Effect {
    fn name(&self) -> &'static str {
        match self {
            Effect::Publish(_) => "publish",
            Effect::Invalidate(_) => "invalidate",
        }
    }

    /// The longest pause between two attempts. An invalidation that waits is a wrong answer.
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

/// A read gives at most 100 rows. If it gives fewer than this number, the next read waits for more to come: a call
/// costs the same with one event as with ten.
const FULL: usize = 50;
const LINGER: Duration = Duration::from_millis(20);
const REMEMBERED: usize = 10_000;
/// The time between two looks at the outbox. Only by looking does a relay find what the handlers of another task wrote.
const POLL: Duration = Duration::from_millis(200);
const FOLLOWER_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The seconds that a relay without a loop waits for others.
const TURN: u32 = 5;
/// Longer than a relay takes from its last look to the end of its session.
const MOMENT: Duration = Duration::from_millis(30);
/// The seconds that the lock outlives a task that vanished.
const SESSION: u32 = 20;

/// Does effects until none is left or one fails, with the lock that the session holds.
async fn empty(relay: &Relay, mut connection: Conn) -> anyhow::Result<()> {
    let Relay { pending, effect, target, .. } = relay;
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

/// Works while this task has the lock, which ends with its connection. `Ok` if another task has it, or the process
/// stops.
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
            // Under load another event always follows, and events cost little together.
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

/// The first effect on each thing. If two were done at the same time, one could overtake the other.
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

/// Logs one line when an effect begins to fail, and one when it works again.
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
