//! What a log group had before its subscription, read page by page and stored like everything else: an event that came
//! both ways has the same id, and the second is refused as a conflict.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

use super::payload::{Backfill, Events, LogEvent};
use super::{Forwarder, Tally};
use crate::signed;

/// From the creation of the group. Lambda ends it after 15 minutes; what was read up to there is stored, and Lambda tries
/// again twice, then the request goes to the queue of what failed.
pub async fn run(forwarder: &Forwarder, backfill: &Backfill) -> anyhow::Result<Tally> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
    let until = u64::try_from((now + FARTHEST_AHEAD).as_millis())?;
    let mut tally = Tally::default();
    let mut token = None;
    loop {
        let page = page(forwarder, backfill, until, token.as_deref()).await?;
        for events in of_streams(&backfill.log_group, page.events) {
            tally.add(forwarder.store(&events).await);
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(tally);
        }
    }
}

/// PutLogEvents takes events that are up to two hours ahead of its clock.
const FARTHEST_AHEAD: Duration = Duration::from_secs(2 * 60 * 60);
/// The whole account has 5 to 10 of these requests a second, so being throttled is ordinary.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    events: Vec<Filtered>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filtered {
    event_id: String,
    log_stream_name: String,
    timestamp: i64,
    message: String,
}

async fn page(forwarder: &Forwarder, backfill: &Backfill, until: u64, token: Option<&str>) -> anyhow::Result<Page> {
    let group = &backfill.log_group;
    // AWS refuses an empty pattern and an empty token, but not missing ones.
    let mut request = json!({ "logGroupName": group, "endTime": until });
    if !backfill.pattern.is_empty() {
        request["filterPattern"] = json!(backfill.pattern);
    }
    if let Some(token) = token {
        request["nextToken"] = json!(token);
    }
    let body = request.to_string().into_bytes();
    let config = &forwarder.config;
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.FilterLogEvents")];
    let (mut tries, mut pause) = (1, FIRST_PAUSE);
    loop {
        let request = signed::post(&config.aws, "logs", &config.logs, "/", &headers, body.clone())?;
        let answer = forwarder.client.send(request).await.with_context(|| format!("reading {group}"))?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|_| anyhow::anyhow!("reading {group}: the answer is not of FilterLogEvents"));
        }
        // Written by AWS about our request: there is no event in it.
        let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        let passes = answer.status.is_server_error() || said.contains("Throttling") || said.contains("LimitExceeded");
        anyhow::ensure!(passes && tries < TRIES, "reading {group}: {}: {said}", answer.status);
        tokio::time::sleep(pause).await;
        (tries, pause) = (tries + 1, pause * 2);
    }
}

fn of_streams(group: &str, events: Vec<Filtered>) -> Vec<Events> {
    let mut streams: BTreeMap<String, Vec<LogEvent>> = BTreeMap::new();
    for event in events {
        let Filtered { event_id: id, log_stream_name, timestamp, message } = event;
        streams.entry(log_stream_name).or_default().push(LogEvent { id, timestamp, message });
    }
    let of_stream = |(log_stream, log_events)| Events { log_group: group.to_owned(), log_stream, log_events };
    streams.into_iter().map(of_stream).collect()
}
