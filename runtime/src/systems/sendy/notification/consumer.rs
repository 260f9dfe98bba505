//! Moves events from the queue into the feed.

use std::sync::Arc;

use serde_json::json;

use super::message::Event;
use super::{Service, feed, message};
use crate::events::consumer::{Handler, Verdict};
use crate::events::envelope::Envelope;
use crate::telemetry;

/// The handler of the messages. A message is done with when its event is in the feed.
pub fn handler(service: &Arc<Service>) -> Handler {
    let (to_handle, to_ask) = (Arc::clone(service), Arc::clone(service));
    Handler {
        handle: Box::new(move |envelopes| Box::pin(handle(Arc::clone(&to_handle), envelopes))),
        is_well: Box::new(move || {
            let service = Arc::clone(&to_ask);
            Box::pin(async move { feed::last(&service.database).await.is_ok() })
        }),
    }
}

const FAILED_SECONDS: i32 = 5;

async fn handle(service: Arc<Service>, envelopes: Vec<Envelope>) -> Vec<Verdict> {
    let parsed: Vec<anyhow::Result<Event>> = envelopes.iter().map(message::parse).collect();
    let events: Vec<Event> = parsed.iter().flatten().cloned().collect();
    let is_stored = events.is_empty() || append(&service, events).await;
    let verdict = |parsed: anyhow::Result<Event>| match parsed {
        Err(error) => Verdict::Poison(error),
        Ok(_) if is_stored => Verdict::Done,
        Ok(_) => Verdict::Retry(FAILED_SECONDS),
    };
    parsed.into_iter().map(verdict).collect()
}

async fn append(service: &Service, events: Vec<Event>) -> bool {
    match feed::append(service, events).await {
        Ok(()) => true,
        Err(error) => {
            telemetry::error("append.failed", &json!({ "message": format!("{error:#}") }));
            false
        }
    }
}
