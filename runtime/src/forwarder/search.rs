//! One `_bulk` request to OpenSearch Service: signed, sent, and its answer judged item by item.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::bulk::Body;
use crate::client::{Answer, Client};
use crate::{config, signed};

/// What became of a number of events.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    pub stored: usize,
    pub already_stored: usize,
    /// How many events were refused, by reason. A reason never has the text of an event in it.
    pub refused: BTreeMap<String, usize>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.stored += other.stored;
        self.already_stored += other.already_stored;
        for (reason, events) in other.refused {
            self.refuse(events, reason);
        }
    }

    pub fn refuse(&mut self, events: usize, reason: String) {
        *self.refused.entry(reason).or_default() += events;
    }

    pub fn ensure_stored(self) -> anyhow::Result<Self> {
        if self.refused.is_empty() {
            return Ok(self);
        }
        let refused: usize = self.refused.values().sum();
        let all = self.stored + self.already_stored + refused;
        let reasons: Vec<_> = self.refused.iter().map(|(reason, events)| format!("{events} × {reason}")).collect();
        let first = reasons[..reasons.len().min(FIRST_REASONS)].join(", ");
        anyhow::bail!("{refused} of {all} events were not stored: {first}")
    }
}

pub async fn send(client: &Client, config: &config::Forwarder, body: Body) -> anyhow::Result<Tally> {
    let answer = request(client, config, Method::POST, "/_bulk", "application/x-ndjson", body.bytes).await?;
    let status = answer.status;
    anyhow::ensure!(status.is_success(), "the search domain answered {status}");
    judge(&answer.body, body.items)
}

/// Any request but for what it may not do, which is an error.
pub async fn request(
    client: &Client,
    config: &config::Forwarder,
    method: Method,
    path: &str,
    content_type: &str,
    body: Vec<u8>,
) -> anyhow::Result<Answer> {
    let headers = [("content-type", content_type)];
    let request = signed::request(&config.aws, "es", method, &config.search, path, &headers, body)?;
    let answer = tokio::time::timeout(TIMEOUT, client.send(request))
        .await
        .context("no answer in 55 s")
        .flatten()
        .context("sending to the search domain")?;
    let status = answer.status;
    if status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED {
        // Written by AWS about our role, before any document is looked at.
        let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        anyhow::bail!("the search domain answered {status}: {said}");
    }
    Ok(answer)
}

const FIRST_REASONS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(55);

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
    /// Its neighbour `reason` is left alone: it quotes values of the document.
    #[serde(rename = "type", default)]
    kind: String,
}

/// The answer is 200 even when every item failed.
fn judge(answer: &[u8], sent: usize) -> anyhow::Result<Tally> {
    let answer: BulkAnswer =
        serde_json::from_slice(answer).map_err(|_| anyhow::anyhow!("the search domain's answer is not of `_bulk`"))?;
    let answered = answer.items.len();
    anyhow::ensure!(answered == sent, "the search domain answered for {answered} of {sent} events");
    let mut tally = Tally::default();
    for Item { create } in answer.items {
        match create.status {
            200..=299 => tally.stored += 1,
            409 => tally.already_stored += 1,
            status => {
                let kind = create.error.map(|error| error.kind).unwrap_or_default();
                let kind: String = kind.chars().take(100).collect();
                tally.refuse(1, format!("{status} {kind}").trim_end().to_owned());
            }
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conflicts_are_success_and_reasons_quote_nothing() {
        let refused = json!({ "create": { "status": 400, "error": {
            "type": "mapper_parsing_exception", "reason": "Preview of field's value: 'hunter2'" } } });
        let answer = json!({ "errors": true, "items": [
            { "create": { "status": 201 } }, { "create": { "status": 409, "error": { "type": "x" } } },
            refused, refused, { "create": { "status": 429 } }
        ]});
        let tally = judge(answer.to_string().as_bytes(), 5).unwrap();
        assert_eq!((tally.stored, tally.already_stored), (1, 1));
        assert_eq!(
            tally.ensure_stored().unwrap_err().to_string(),
            "3 of 5 events were not stored: 2 × 400 mapper_parsing_exception, 1 × 429"
        );
    }

    #[test]
    fn an_answer_for_other_events_than_were_sent_is_no_success() {
        assert!(judge(br#"{"items":[]}"#, 1).is_err());
        assert!(judge(br#"{"hunter2":1}"#, 1).is_err());
    }
}
