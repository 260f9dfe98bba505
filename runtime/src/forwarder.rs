//! The log forwarder: CloudWatch Logs sends events, OpenSearch stores them.
//!
//! A document is created under the id of its event, in the index of the event's day. Forwarding the same event again
//! therefore changes nothing, and a batch that failed in part can simply be sent again as a whole.

mod backfill;
mod bulk;
mod payload;
mod search;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use self::payload::Events;
pub use self::search::Tally;
use crate::client::Client;
use crate::{config, telemetry};

pub struct Forwarder {
    config: config::Forwarder,
    client: Client,
    /// Everything from before the subscriptions is in the search domain.
    caught_up: AtomicBool,
}

impl Forwarder {
    pub fn new(config: config::Forwarder) -> anyhow::Result<Self> {
        let client = Client::new()?;
        let caught_up = AtomicBool::new(config.shipped.is_empty());
        Ok(Forwarder { config, client, caught_up })
    }

    /// One event of a CloudWatch Logs subscription, as Lambda hands it over, with the time that it gives. An error when any
    /// of the log events is not stored, after every one of them was tried.
    ///
    /// CloudWatch Logs probes a subscription when it is put: that is when the past of the log group is fetched. Should the
    /// probe fail or be lost, the next event does it.
    pub async fn handle(&self, event: &[u8], left: Duration) -> anyhow::Result<Tally> {
        let Some(events) = payload::decode(event)? else {
            telemetry::debug("probe", &json!({}));
            return self.catch_up().await;
        };
        let tally = self.store(&events).await.ensure_stored()?;
        // These events are stored. What else is missing must not make Lambda send them again.
        let backfill = tokio::time::timeout(left.saturating_sub(RESERVE), self.catch_up()).await;
        if let Ok(Err(error)) = backfill {
            telemetry::error("not_backfilled", &json!({ "message": format!("{error:#}") }));
        }
        Ok(tally)
    }

    async fn catch_up(&self) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        if self.caught_up.load(Ordering::Relaxed) {
            return Ok(tally);
        }
        for (log_group, pattern) in &self.config.shipped {
            tally.add(backfill::run(self, log_group, pattern).await?);
        }
        self.caught_up.store(true, Ordering::Relaxed);
        Ok(tally)
    }

    async fn store(&self, events: &Events) -> Tally {
        let mut tally = Tally::default();
        let (bodies, undated) = bulk::bodies(&self.config.index_prefix, events);
        if undated > 0 {
            tally.refuse(undated, "the timestamp is out of range".to_owned());
        }
        for body in bodies {
            let items = body.items;
            match search::send(&self.client, &self.config, body).await {
                Ok(outcome) => tally.add(outcome),
                Err(error) => tally.refuse(items, format!("{error:#}")),
            }
        }
        tally
    }
}

/// Of the time that Lambda gives, to answer.
const RESERVE: Duration = Duration::from_secs(5);
