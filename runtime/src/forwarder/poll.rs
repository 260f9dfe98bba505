//! Reads a log group again and again, for a laptop that has no subscription.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::backfill::{self, Ask, Progress};
use super::{Forwarder, Time, follow};
use crate::telemetry;

pub async fn run(forwarder: &Forwarder, group: &str, pattern: &str) -> anyhow::Result<()> {
    telemetry::info("reading", &json!({ "log_group": group }));
    // The ids of the events in the span that is asked for again each time.
    let mut seen = BTreeMap::new();
    loop {
        if let Err(error) = once(forwarder, group, pattern, &mut seen).await {
            telemetry::warn("not_read", &json!({ "log_group": group, "message": format!("{error:#}") }));
        }
        tokio::time::sleep(PERIOD).await;
    }
}

const PERIOD: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_secs(60);
/// How far back each read begins before the end of the last one. Events come late, and not in the order of their time.
const OVERLAP_MS: i64 = 60_000;

/// Reads and stores everything since the last time. `seen` has the ids of the events that were there already.
async fn once(
    forwarder: &Forwarder,
    group: &str,
    pattern: &str,
    seen: &mut BTreeMap<String, i64>,
) -> anyhow::Result<()> {
    let name = format!("follow {group}");
    let mut progress = backfill::progress(forwarder, &name, Time::within(A_WHILE)).await?;
    let before = progress.up_to;
    let from = before.map(|up_to| up_to.saturating_sub(OVERLAP_MS));
    let mut ask = Ask::new(group, pattern, from)?;
    loop {
        let mut page = backfill::page(forwarder, &ask, Time::within(A_WHILE)).await?;
        progress.up_to = page.events.iter().map(|event| event.timestamp).max().max(progress.up_to);
        page.events.retain(|event| !seen.contains_key(&event.event_id));
        let new: Vec<_> = page.events.iter().map(|event| (event.event_id.clone(), event.timestamp)).collect();
        for events in backfill::of_streams(group, page.events) {
            follow::store(forwarder, &events).await;
        }
        seen.extend(new);
        ask.next_token = page.next_token;
        if ask.next_token.is_none() {
            break;
        }
    }
    let needed = progress.up_to.unwrap_or_default().saturating_sub(OVERLAP_MS);
    seen.retain(|_, timestamp| *timestamp >= needed);
    if progress.up_to != before {
        let progress = Progress { up_to: progress.up_to, done: false };
        backfill::keep(forwarder, &name, &progress, Time::within(A_WHILE)).await?;
    }
    Ok(())
}
