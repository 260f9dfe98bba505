//! What a log group had before its subscription, read page by page and stored like everything else: an event that came
//! both ways has the same id, and the second is refused as a conflict.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
//!
//! How far it got is a document of the search domain itself: a new domain has everything fetched again, and whoever was
//! ended on the way goes on from there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::payload::{Events, LogEvent};
use super::{Forwarder, Tally, search};
use crate::signed;

/// From the creation of the group, or from where an earlier one ended. An error when an event is not stored.
pub async fn run(forwarder: &Forwarder, log_group: &str, pattern: &str) -> anyhow::Result<Tally> {
    let mut progress = progress(forwarder, log_group).await?;
    let mut tally = Tally::default();
    if progress.done {
        return Ok(tally);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
    let mut ask = Ask {
        log_group_name: log_group,
        filter_pattern: pattern,
        start_time: progress.up_to,
        end_time: i64::try_from((now + FARTHEST_AHEAD).as_millis())?,
        next_token: None,
    };
    while !progress.done {
        let page = page(forwarder, &ask).await?;
        // Pages come in the order of time.
        progress.up_to = page.events.iter().map(|event| event.timestamp).max().max(progress.up_to);
        for events in of_streams(log_group, page.events) {
            tally.add(
                forwarder.store(&events).await.ensure_stored().with_context(|| format!("backfilling {log_group}"))?,
            );
        }
        ask.next_token = page.next_token;
        progress.done = ask.next_token.is_none();
        keep(forwarder, log_group, &progress).await?;
    }
    Ok(tally)
}

/// PutLogEvents takes events that are up to two hours ahead of its clock.
const FARTHEST_AHEAD: Duration = Duration::from_secs(2 * 60 * 60);
/// The whole account has 5 to 10 of these requests a second, so being throttled is ordinary.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Default, Deserialize, Serialize)]
struct Progress {
    /// Milliseconds since 1970: everything before is stored.
    up_to: Option<i64>,
    done: bool,
}

/// Empty fields are left out: AWS refuses an empty pattern and an empty token, but not missing ones.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ask<'a> {
    log_group_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    filter_pattern: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    end_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

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

fn path(log_group: &str) -> String {
    format!("/provision-backfill/_doc/{}", BASE64_URL_SAFE_NO_PAD.encode(log_group))
}

async fn progress(forwarder: &Forwarder, log_group: &str) -> anyhow::Result<Progress> {
    let (client, config) = (&forwarder.client, &forwarder.config);
    let path = path(log_group);
    let answer = search::request(client, config, Method::GET, &path, "application/json", Vec::new()).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(Progress::default());
    }
    anyhow::ensure!(answer.status.is_success(), "asking how far the backfill got: {}", answer.status);
    #[derive(Deserialize)]
    struct Document {
        _source: Progress,
    }
    let document: Document = serde_json::from_slice(&answer.body).context("how far the backfill got")?;
    Ok(document._source)
}

async fn keep(forwarder: &Forwarder, log_group: &str, progress: &Progress) -> anyhow::Result<()> {
    let (client, config) = (&forwarder.client, &forwarder.config);
    let body = json!({ "log_group": log_group, "up_to": progress.up_to, "done": progress.done }).to_string();
    let path = path(log_group);
    let answer = search::request(client, config, Method::PUT, &path, "application/json", body.into_bytes()).await?;
    anyhow::ensure!(answer.status.is_success(), "keeping how far the backfill got: {}", answer.status);
    Ok(())
}

async fn page(forwarder: &Forwarder, ask: &Ask<'_>) -> anyhow::Result<Page> {
    let (config, group) = (&forwarder.config, ask.log_group_name);
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.FilterLogEvents")];
    let (mut tries, mut pause) = (1, FIRST_PAUSE);
    loop {
        let body = serde_json::to_vec(ask)?;
        let request = signed::request(&config.aws, "logs", Method::POST, &config.logs, "/", &headers, body)?;
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
