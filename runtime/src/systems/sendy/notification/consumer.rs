//! Moves events from the queue into the feed. The event of a probe is counted, and nobody is told of it.

use std::sync::Arc;

use serde_json::json;

use super::message::Event;
use super::{Service, feed, message, probes};
use crate::events::consumer::{Handler, Verdict};
use crate::events::envelope::Envelope;
use crate::events::probe;
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

/// A message, as far as it is understood.
enum Read<'a> {
    Event(Event),
    Probe(&'a str),
    Poison(anyhow::Error),
}

async fn handle(service: Arc<Service>, envelopes: Vec<Envelope>) -> Vec<Verdict> {
    let messages: Vec<Read<'_>> = envelopes.iter().map(read).collect();
    let (mut events, mut names) = (Vec::new(), Vec::new());
    for message in &messages {
        match message {
            Read::Event(event) => events.push(event.clone()),
            Read::Probe(name) => names.push(*name),
            Read::Poison(_) => {}
        }
    }
    let is_stored = events.is_empty() || is_ok("append.failed", feed::append(&service, events).await);
    let is_counted = names.is_empty() || is_ok("probe.failed", probes::count(&service.database, &names).await);
    let done = |is_done: bool| if is_done { Verdict::Done } else { Verdict::Retry(FAILED_SECONDS) };
    let verdict = |message: Read<'_>| match message {
        Read::Event(_) => done(is_stored),
        Read::Probe(_) => done(is_counted),
        Read::Poison(error) => Verdict::Poison(error),
    };
    messages.into_iter().map(verdict).collect()
}

fn read(envelope: &Envelope) -> Read<'_> {
    if let Some(name) = probe::name(envelope) {
        return Read::Probe(name);
    }
    match message::parse(envelope) {
        Ok(event) => Read::Event(event),
        Err(error) => Read::Poison(error),
    }
}

fn is_ok(event: &str, outcome: anyhow::Result<()>) -> bool {
    if let Err(error) = &outcome {
        telemetry::error(event, &json!({ "message": format!("{error:#}") }));
    }
    outcome.is_ok()
}
