//! Requests to OpenSearch Service. They are signed and sent. The answer to a `_bulk` is judged item by item.

use std::time::Duration;

use anyhow::Context;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::Forwarder;
use super::bulk::Batch;
use super::pause::Pause;
use crate::aws::signed;
use crate::http::client::Answer;

/// The answer to a whole `_bulk` request.
pub enum Answered {
    /// A verdict for each event, in their order.
    Items(Vec<Verdict>),
    /// Nothing is known of any event. It is safe to send them again.
    Again(String),
    /// The same, because the time for all attempts ended before the answer came.
    TimeOver(String),
    /// The request was refused because of its content. A part of it may pass.
    Refused(String),
    /// The request was refused because of its sender or its address. No event is to blame, and this does not pass soon.
    Denied(String),
}

/// The verdict on one event. A reason never has the text of an event in it.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Stored,
    AlreadyStored,
    Again(String),
    Refused(String),
}

pub async fn bulk(forwarder: &Forwarder, batch: &Batch, until: Instant) -> Answered {
    let body = batch.body.clone();
    let answer = match request(forwarder, Method::POST, "/_bulk", "application/x-ndjson", body, until).await {
        Ok(answer) => answer,
        Err(error) if Instant::now() >= until => return Answered::TimeOver(format!("{error:#}")),
        Err(error) => return Answered::Again(format!("{error:#}")),
    };
    match answer.status {
        status if status.is_success() => match judge(&answer.body, batch.items.len()) {
            Ok(verdicts) => Answered::Items(verdicts),
            Err(error) => Answered::Again(format!("{error:#}")),
        },
        status if passes(status) => Answered::Again(said(&answer)),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Answered::Refused(said(&answer)),
        _ => Answered::Denied(said(&answer)),
    }
}

/// Sends one request. The answer may have any status.
pub async fn request(
    forwarder: &Forwarder,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<Bytes>,
    until: Instant,
) -> anyhow::Result<Answer> {
    let config = &forwarder.config;
    let headers = [("content-type", content_type)];
    let request = signed::request(&config.aws, "es", method, &config.search, path, &headers, body)?;
    tokio::time::timeout_at(until.min(Instant::now() + TIMEOUT), forwarder.client.send(request))
        .await
        .context("no answer in time")
        .flatten()
        .context("sending to the search domain")
}

/// Sends a request again and again until the answer will stay the same. It is an error if the time is over before.
pub async fn insist(
    forwarder: &Forwarder,
    method: Method,
    path: &str,
    body: &Bytes,
    until: Instant,
) -> anyhow::Result<Answer> {
    let mut pause = Pause::new(forwarder.config.first_pause);
    let mut before = None;
    loop {
        let answer = request(forwarder, method.clone(), path, "application/json", body.clone(), until).await;
        let reason = match answer {
            Ok(answer) if !passes(answer.status) => return Ok(answer),
            Ok(answer) => anyhow::anyhow!(said(&answer)),
            Err(error) if Instant::now() >= until => before.unwrap_or(error),
            Err(error) => error,
        };
        if !pause.wait(until).await {
            return Err(reason);
        }
        before = Some(reason);
    }
}

/// An answer in words, for the log. Its body is quoted only if AWS refuses our role with it, before any document is
/// looked at.
pub fn said(answer: &Answer) -> String {
    let status = answer.status;
    let mut said = format!("the search domain answered {status}");
    if status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED {
        said.push_str(": ");
        said.extend(String::from_utf8_lossy(&answer.body).chars().take(300));
    }
    said
}

const TIMEOUT: Duration = Duration::from_secs(55);

/// Whether a status is of a failure that may pass.
fn passes(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
}

#[derive(Deserialize)]
struct BulkAnswer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: ItemOutcome,
}

#[derive(Deserialize)]
struct ItemOutcome {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    /// The type of the error. Its neighbour `reason` is not read, because it quotes values of the document.
    #[serde(rename = "type", default)]
    kind: String,
}

/// Reads a verdict for each event from an answer. The status of the answer is 200 even if every item failed.
fn judge(answer: &[u8], sent: usize) -> anyhow::Result<Vec<Verdict>> {
    let answer: BulkAnswer =
        serde_json::from_slice(answer).map_err(|_| anyhow::anyhow!("the search domain's answer is not of `_bulk`"))?;
    let answered = answer.items.len();
    anyhow::ensure!(answered == sent, "the search domain answered for {answered} of {sent} events");
    let verdict = |Item { create }| match create.status {
        200..=299 => Verdict::Stored,
        409 => Verdict::AlreadyStored,
        429 | 500.. => Verdict::Again(reason(create)),
        _ => Verdict::Refused(reason(create)),
    };
    Ok(answer.items.into_iter().map(verdict).collect())
}

fn reason(outcome: ItemOutcome) -> String {
    let kind = outcome.error.map(|error| error.kind).unwrap_or_default();
    let kind: String = kind.chars().take(100).collect();
    format!("{} {kind}", outcome.status).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_item_has_its_verdict_and_reasons_quote_nothing() {
        let refused = json!({ "create": { "status": 400, "error": {
            "type": "mapper_parsing_exception", "reason": "Preview of field's value: 'hunter2'" } } });
        let answer = json!({ "errors": true, "items": [
            { "create": { "status": 201 } }, { "create": { "status": 409, "error": { "type": "x" } } },
            refused, { "create": { "status": 429 } }, { "create": { "status": 503, "error": { "type": "y" } } }
        ]});
        let verdicts = judge(answer.to_string().as_bytes(), 5).unwrap();
        assert_eq!(
            verdicts,
            [
                Verdict::Stored,
                Verdict::AlreadyStored,
                Verdict::Refused("400 mapper_parsing_exception".to_owned()),
                Verdict::Again("429".to_owned()),
                Verdict::Again("503 y".to_owned()),
            ]
        );
    }

    #[test]
    fn an_answer_for_other_events_than_were_sent_is_no_success() {
        assert!(judge(br#"{"items":[]}"#, 1).is_err());
        assert!(judge(br#"{"hunter2":1}"#, 1).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer: Vec<u8>, status: i64, kind: String) {
            let _ = judge(&answer, 1);
            let item = json!({ "items": [{ "create": { "status": status, "error": { "type": kind } } }] });
            let _ = judge(item.to_string().as_bytes(), 1);
        }
    }
}
