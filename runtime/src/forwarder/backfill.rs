//! Fetches the events that a log group had before its subscription. They are read page by page and stored like all
//! others. If an event came both ways, it has the same id, and the second is refused as a conflict.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
//!
//! A document of the search domain itself says how far the backfill got. So everything is fetched again for a new
//! domain, and a run after one that was ended half-way goes on from there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pause::Pause;
use super::payload::{Events, LogEvent};
use super::{Forwarder, Tally, Time, search};
use crate::aws::signed;

/// Fetches and stores the events of the group, from its creation or from where an earlier run ended. It is an error if
/// any event is not done with. `None` if no subscription of the group sends to this function: then there is no pattern,
/// and nothing to fetch.
pub async fn run(forwarder: &Forwarder, log_group: &str, time: Time) -> anyhow::Result<Option<Tally>> {
    let mut progress = progress(forwarder, log_group, time).await?;
    let mut tally = Tally::default();
    if progress.done {
        return Ok(Some(tally));
    }
    let Some(pattern) = pattern(forwarder, log_group, time).await? else {
        return Ok(None);
    };
    let mut ask = Ask::new(log_group, &pattern, progress.up_to)?;
    while !progress.done {
        let page = page(forwarder, &ask, time).await?;
        // Pages come in the order of time.
        progress.up_to = page.events.iter().map(|event| event.timestamp).max().max(progress.up_to);
        for events in of_streams(log_group, page.events) {
            let stored = forwarder.store(&events, time).await.and_then(Tally::ensure_done);
            tally.add(stored.with_context(|| format!("backfilling {log_group}"))?);
        }
        ask.next_token = page.next_token;
        progress.done = ask.next_token.is_none();
        keep(forwarder, log_group, &progress, time).await?;
    }
    Ok(Some(tally))
}

/// The filter pattern of the group's subscription that sends to this function. `None` if there is no such subscription.
/// CloudWatch Logs is asked because all patterns together would not fit into the environment of a function, which has 4
/// KB.
async fn pattern(forwarder: &Forwarder, log_group: &str, time: Time) -> anyhow::Result<Option<String>> {
    let asked = json!({ "logGroupName": log_group });
    let body = call(forwarder, "DescribeSubscriptionFilters", log_group, &asked, time).await?;
    let found: Subscriptions = serde_json::from_slice(&body)
        .map_err(|_| anyhow::anyhow!("reading {log_group}: the answer is not of DescribeSubscriptionFilters"))?;
    let is_ours = |filter: &Subscription| match &forwarder.config.function {
        // `arn:aws:lambda:<region>:<account>:function:<name>`
        Some(function) => filter.destination_arn.split(':').nth(6) == Some(function.as_str()),
        None => true,
    };
    Ok(found.subscription_filters.into_iter().find(is_ours).map(|filter| filter.filter_pattern))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscriptions {
    #[serde(default)]
    subscription_filters: Vec<Subscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default)]
    filter_pattern: String,
    #[serde(default)]
    destination_arn: String,
}

/// One page of the events that match.
pub async fn page(forwarder: &Forwarder, ask: &Ask<'_>, time: Time) -> anyhow::Result<Page> {
    let group = ask.log_group_name;
    let body = call(forwarder, "FilterLogEvents", group, ask, time).await?;
    serde_json::from_slice(&body).map_err(|_| anyhow::anyhow!("reading {group}: the answer is not of FilterLogEvents"))
}

/// Makes one call to CloudWatch Logs. If that says that it has too many calls, or fails itself, the call is made again
/// while there is time.
async fn call(
    forwarder: &Forwarder,
    action: &str,
    group: &str,
    asked: &impl Serialize,
    time: Time,
) -> anyhow::Result<Bytes> {
    let config = &forwarder.config;
    let target = format!("Logs_20140328.{action}");
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
    let mut pause = Pause::new(FIRST_PAUSE);
    loop {
        let body = serde_json::to_vec(asked)?;
        let request = signed::request(&config.aws, "logs", Method::POST, &config.logs, "/", &headers, body)?;
        let answer = tokio::time::timeout(PAGE_TIMEOUT, forwarder.client.send(request))
            .await
            .context("no answer in time")
            .flatten()
            .with_context(|| format!("reading {group}"))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        // AWS wrote this text about our request. It has no text of an event in it.
        let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        let passes = answer.status.is_server_error() || said.contains("Throttling") || said.contains("LimitExceeded");
        anyhow::ensure!(passes && pause.wait(time.to_store).await, "reading {group}: {}: {said}", answer.status);
    }
}

/// Sorts the events by their stream.
pub fn of_streams(group: &str, events: Vec<Filtered>) -> Vec<Events> {
    let mut streams: BTreeMap<String, Vec<LogEvent>> = BTreeMap::new();
    for event in events {
        let Filtered { event_id: id, log_stream_name, timestamp, message } = event;
        streams.entry(log_stream_name).or_default().push(LogEvent { id, timestamp, message });
    }
    let of_stream = |(log_stream, log_events)| Events { log_group: group.to_owned(), log_stream, log_events };
    streams.into_iter().map(of_stream).collect()
}

/// How far ahead of its clock PutLogEvents takes events: two hours.
const FARTHEST_AHEAD: Duration = Duration::from_secs(2 * 60 * 60);
const PAGE_TIMEOUT: Duration = Duration::from_secs(55);
/// The first pause after too many requests. The whole account has 5 to 10 of these requests a second, so being
/// throttled is ordinary.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Progress {
    /// The time up to which everything is stored, in milliseconds since 1970.
    pub up_to: Option<i64>,
    pub done: bool,
}

/// The body of a request. Empty fields are left out: AWS refuses an empty pattern or token, and takes a request without
/// them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask<'a> {
    log_group_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    filter_pattern: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    end_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl<'a> Ask<'a> {
    /// Asks for events from a time on, in milliseconds since 1970, or from the creation of the group.
    pub fn new(log_group_name: &'a str, filter_pattern: &'a str, start_time: Option<i64>) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
        let end_time = i64::try_from((now + FARTHEST_AHEAD).as_millis())?;
        Ok(Ask { log_group_name, filter_pattern, start_time, end_time, next_token: None })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    #[serde(default)]
    pub events: Vec<Filtered>,
    pub next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filtered {
    pub event_id: String,
    log_stream_name: String,
    pub timestamp: i64,
    message: String,
}

fn path(log_group: &str) -> String {
    format!("/provision-backfill/_doc/{}", BASE64_URL_SAFE_NO_PAD.encode(log_group))
}

pub async fn progress(forwarder: &Forwarder, log_group: &str, time: Time) -> anyhow::Result<Progress> {
    let answer = search::insist(forwarder, Method::GET, &path(log_group), &Bytes::new(), time.to_store).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(Progress::default());
    }
    anyhow::ensure!(answer.status.is_success(), "asking how far the backfill got: {}", search::said(&answer));
    #[derive(Deserialize)]
    struct Document {
        _source: Progress,
    }
    let document: Document = serde_json::from_slice(&answer.body).context("how far the backfill got")?;
    Ok(document._source)
}

pub async fn keep(forwarder: &Forwarder, log_group: &str, progress: &Progress, time: Time) -> anyhow::Result<()> {
    let body = json!({ "log_group": log_group, "up_to": progress.up_to, "done": progress.done }).to_string();
    let answer = search::insist(forwarder, Method::PUT, &path(log_group), &body.into(), time.to_store).await?;
    anyhow::ensure!(answer.status.is_success(), "keeping how far the backfill got: {}", search::said(&answer));
    Ok(())
}
