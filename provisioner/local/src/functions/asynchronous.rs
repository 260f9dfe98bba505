//! Events that nobody waits for. They are written down, tried, tried again, and at last put into the queue of failed
//! events. <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html>

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::failure::{Outcome, Refused};
use super::pool::{Patience, Pool};
use super::sqs::Queues;
use super::store::{Accepted, Store, now_ms, timestamp, trace_id};
use crate::listen::log;
use crate::messaging::new_id;

pub struct Events {
    pool: Arc<Pool>,
    pub store: Store,
    pub queues: Queues,
    /// Tells that an event was accepted.
    accepted: Notify,
}

/// The wait before the next look, if something outside does not work.
const TROUBLE: Duration = Duration::from_secs(1);

impl Events {
    pub fn open(pool: Arc<Pool>) -> Result<Events> {
        let store = Store::open(&pool.config.directory)?;
        Ok(Events { pool, store, queues: Queues::new(), accepted: Notify::new() })
    }

    /// Writes the event down. After this it is not lost.
    pub fn accept(&self, event: &[u8], trace: Option<&str>) -> Result<String> {
        let id = new_id();
        self.store.accept(&id, event, trace.unwrap_or(&trace_id()), now_ms())?;
        self.accepted.notify_one();
        Ok(id)
    }

    /// The same for the event of a schedule.
    pub fn accept_scheduled(&self, arn: &str, at: u64, event: &Value) -> Result<()> {
        let id = event.get("id").and_then(Value::as_str).map_or_else(new_id, str::to_owned);
        self.store.accept_scheduled(arn, at, &id, event.to_string().as_bytes(), &trace_id())?;
        self.accepted.notify_one();
        Ok(())
    }

    /// Tries the events whose time has come, for ever.
    pub async fn run(self: Arc<Self>) {
        // As many events are tried at a time as there are processes.
        let most = self.pool.config.processes as usize;
        let mut under_way: HashSet<String> = HashSet::new();
        let mut tries = JoinSet::new();
        loop {
            let wait = match self.store.due(now_ms(), most + under_way.len()) {
                Ok(due) => {
                    for event in due {
                        if under_way.len() < most && under_way.insert(event.id.clone()) {
                            tries.spawn(Arc::clone(&self).attempt(event));
                        }
                    }
                    self.until_next()
                }
                Err(error) => {
                    log(&format!("the accepted events cannot be read: {error:#}"));
                    TROUBLE
                }
            };
            tokio::select! {
                () = self.accepted.notified() => {}
                Some(done) = tries.join_next() => match done {
                    Ok(id) => drop(under_way.remove(&id)),
                    // The try has panicked, and its event is tried again.
                    Err(_) => under_way.clear(),
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn until_next(&self) -> Duration {
        let now = now_ms();
        let next = self.store.next_due(now).ok().flatten();
        next.map_or(Duration::from_secs(60), |at| Duration::from_millis(at.saturating_sub(now).max(1)))
    }

    async fn attempt(self: Arc<Self>, accepted: Accepted) -> String {
        let id = accepted.id.clone();
        let noted = match accepted.last_failure.clone() {
            None => self.invoke(accepted).await,
            Some(failure) => self.give_up(&accepted, &failure).await,
        };
        if let Err(error) = noted {
            log(&format!("the accepted event {id}: {error:#}"));
            tokio::time::sleep(TROUBLE).await;
        }
        id
    }

    async fn invoke(&self, accepted: Accepted) -> Result<()> {
        let Accepted { id, event, trace, failures, .. } = accepted;
        let retries = &self.pool.config.asynchronous.retries_ms;
        match self.pool.invoke(&id, event.into(), &trace, Patience::Waits).await {
            Ok(Outcome::Answered(_)) => self.store.done(&id),
            Ok(Outcome::Failed(failure)) => match retries.get(failures as usize) {
                Some(wait) => self.store.failed(&id, now_ms() + wait),
                None => self.store.gave_up(&id, &failure.0, now_ms()),
            },
            // The event stays, for the next start of this part.
            Err(Refused::Stopping | Refused::Throttled) => {
                tokio::time::sleep(TROUBLE).await;
                Ok(())
            }
        }
    }

    async fn give_up(&self, accepted: &Accepted, failure: &[u8]) -> Result<()> {
        let id = &accepted.id;
        let Some(queue) = &self.pool.config.asynchronous.failed_queue else {
            log(&format!("the event {id} failed {} times and is gone", accepted.failures));
            return self.store.done(id);
        };
        let record = record(accepted, failure, &self.pool.config.arn).to_string();
        match self.queues.send(queue, &record).await {
            Ok(()) => self.store.done(id),
            Err(error) => {
                self.store.postpone(id, now_ms() + TROUBLE.as_millis() as u64)?;
                Err(error).context("putting it into the queue of failed events")
            }
        }
    }
}

/// The message about an event that failed each time.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn record(accepted: &Accepted, failure: &[u8], arn: &str) -> Value {
    let read = |bytes: &[u8]| {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    };
    json!({
        "version": "1.0",
        "timestamp": timestamp(now_ms()),
        "requestContext": {
            "requestId": accepted.id,
            "functionArn": format!("{arn}:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": accepted.failures,
        },
        "requestPayload": read(&accepted.event),
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": read(failure),
    })
}
