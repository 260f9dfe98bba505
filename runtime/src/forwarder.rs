//! The log forwarder: CloudWatch Logs sends events, OpenSearch stores them.
//!
//! A document is created under the id of its event, in the index of the event's day. Forwarding the same event again
//! therefore changes nothing, and a batch that failed in part can simply be sent again as a whole.

mod backfill;
mod bulk;
mod payload;
mod search;

use serde_json::json;

use self::payload::{Events, Work};
pub use self::search::Tally;
use crate::client::Client;
use crate::{config, telemetry};

pub struct Forwarder {
    config: config::Forwarder,
    client: Client,
}

impl Forwarder {
    pub fn new(config: config::Forwarder) -> anyhow::Result<Self> {
        let client = Client::new()?;
        Ok(Forwarder { config, client })
    }

    /// One invocation, as Lambda hands it over. An error when any of the events is not stored, after every one of them was
    /// tried.
    pub async fn handle(&self, event: &[u8]) -> anyhow::Result<Tally> {
        match payload::decode(event)? {
            Work::Store(events) => self.store(&events).await.ensure_stored(),
            Work::Backfill(backfill) => backfill::run(self, &backfill).await?.ensure_stored(),
            Work::Probe => {
                telemetry::debug("probe", &json!({}));
                Ok(Tally::default())
            }
        }
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
