//! A function on the stream of a table. Lambda hands it a batch of changes in their order, and the function answers which
//! was the first that failed. <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Handle, Invocation};
use crate::aws::dynamodb::{self, Item};
use crate::telemetry::{self, metrics};

/// A change of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub kind: Kind,
    pub keys: Item,
    /// The item after the change, if the stream has it.
    pub new: Option<Item>,
    /// The place of the change in its stream.
    pub sequence: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Insert,
    Modify,
    Remove,
}

/// Handles the changes of an event, and gives an outcome for each, in their order. An error quotes nothing of an item.
pub type HandleChanges = Box<dyn Fn(Vec<Change>) -> BoxFuture<'static, Vec<anyhow::Result<()>>> + Send + Sync>;

/// Makes the handler of changes into the handler of a function. The event source needs `ReportBatchItemFailures`: without it
/// Lambda takes every answer for a success.
///
/// After a failure Lambda repeats the change that failed and all after it, until that one succeeds, or is given up. So a
/// handler goes on after a failure: one change that can never succeed must not hold up the others. What is handled then
/// comes again all the same, so who gets the effects has to know them again. Changes of one item come in their order.
pub fn handle(changes: HandleChanges) -> Handle {
    let changes = Arc::new(changes);
    Box::new(move |invocation| Box::pin(answer(Arc::clone(&changes), invocation)))
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    dynamodb: Changed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    keys: Map<String, Value>,
    new_image: Option<Map<String, Value>>,
    sequence_number: String,
}

async fn answer(changes: Arc<HandleChanges>, invocation: Invocation) -> anyhow::Result<Vec<u8>> {
    // The error of the parser may quote the item.
    let event: Event = serde_json::from_slice(&invocation.event).ok().context("not an event of a table")?;
    let sequences: Vec<String> = event.records.iter().map(|record| record.dynamodb.sequence_number.clone()).collect();
    let mut outcomes: Vec<anyhow::Result<()>> = Vec::with_capacity(sequences.len());
    let mut read = Vec::new();
    for (at, record) in event.records.into_iter().enumerate() {
        outcomes.push(Ok(()));
        match change(record) {
            Some(change) => read.push((at, change)),
            None => outcomes[at] = Err(anyhow::anyhow!("the change cannot be read")),
        }
    }
    let (places, read): (Vec<usize>, Vec<Change>) = read.into_iter().unzip();
    if !read.is_empty() {
        let handled = AssertUnwindSafe(async { changes(read).await }).catch_unwind();
        let handled = match tokio::time::timeout(invocation.left.saturating_sub(SPARE), handled).await {
            Ok(Ok(handled)) => handled,
            Ok(Err(_)) => places.iter().map(|_| Err(anyhow::anyhow!("the handler panicked"))).collect(),
            Err(_) => places.iter().map(|_| Err(anyhow::anyhow!("not done in the time that Lambda gives"))).collect(),
        };
        // A handler that gives too few outcomes has not handled the rest.
        let handled = handled.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for (at, outcome) in places.into_iter().zip(handled) {
            outcomes[at] = outcome.unwrap_or_else(|| Err(anyhow::anyhow!("the handler gave no outcome")));
        }
    }
    let mut failures = Vec::new();
    for (sequence, outcome) in sequences.iter().zip(outcomes) {
        let Err(error) = outcome else { continue };
        telemetry::error("change.failed", &json!({ "sequence_number": sequence, "message": format!("{error:#}") }));
        metrics::count("ChangesFailed", 1);
        // Lambda goes on from the lowest, whatever else is named.
        if failures.is_empty() {
            failures.push(json!({ "itemIdentifier": sequence }));
        }
    }
    Ok(serde_json::to_vec(&json!({ "batchItemFailures": failures }))?)
}

/// The time that is kept back from the handler, for the answer.
const SPARE: Duration = Duration::from_millis(200);

fn change(record: Record) -> Option<Change> {
    let Changed { keys, new_image, sequence_number } = record.dynamodb;
    let kind = match record.event_name.as_str() {
        "INSERT" => Kind::Insert,
        "MODIFY" => Kind::Modify,
        "REMOVE" => Kind::Remove,
        _ => return None,
    };
    let new = match new_image {
        Some(new) => Some(dynamodb::parsed(&new)?),
        None => None,
    };
    Some(Change { kind, keys: dynamodb::parsed(&keys)?, new, sequence: sequence_number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of an event, as Lambda has it.
    fn record(sequence: u32, name: &str, id: &str) -> Value {
        json!({
            "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": name, "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_479_499_740, "Keys": { "id": { "N": id } },
                "NewImage": { "id": { "N": id }, "what": { "S": "new" } }, "SequenceNumber": sequence.to_string(),
                "SizeBytes": 26, "StreamViewType": "NEW_IMAGE"
            },
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-31T12:00:00.000"
        })
    }

    async fn answer_to(records: &[Value]) -> anyhow::Result<Value> {
        let outcome = |change: &Change| -> anyhow::Result<()> {
            let id = change.keys["id"].whole().unwrap();
            assert_eq!(change.new.as_ref().and_then(|new| new["id"].whole()), Some(id));
            anyhow::ensure!(id != 13 && change.kind == Kind::Insert, "as if it had failed");
            Ok(())
        };
        let handle = handle(Box::new(move |changes| {
            Box::pin(async move {
                let ids: Vec<_> = changes.iter().map(|change| change.keys["id"].whole()).collect();
                assert!(!ids.contains(&Some(100)), "as if by mistake");
                if ids.contains(&Some(101)) {
                    std::future::pending::<()>().await;
                }
                changes.iter().filter(|change| change.keys["id"].whole() != Some(102)).map(outcome).collect()
            })
        }));
        let event = json!({ "Records": records }).to_string().into();
        let answer = handle(Invocation { request_id: "1".to_owned(), event, left: Duration::from_secs(1) }).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_failed_is_named() {
        let failed = |sequence: &str| json!({ "batchItemFailures": [{ "itemIdentifier": sequence }] });
        let nothing = json!({ "batchItemFailures": [] });
        let insert = |sequence, id| record(sequence, "INSERT", id);
        assert_eq!(answer_to(&[]).await.unwrap(), nothing);
        assert_eq!(answer_to(&[insert(5, "1"), insert(6, "2")]).await.unwrap(), nothing);
        assert_eq!(answer_to(&[insert(5, "1"), insert(6, "13"), insert(7, "13")]).await.unwrap(), failed("6"));
        assert_eq!(answer_to(&[insert(5, "1"), record(6, "REMOVE", "2"), insert(7, "3")]).await.unwrap(), failed("6"));
        // What cannot be read fails in its place, and the others are handled.
        let mut odd = insert(7, "3");
        odd["dynamodb"]["NewImage"]["id"] = json!(3);
        assert_eq!(answer_to(&[insert(5, "1"), insert(6, "2"), odd.clone()]).await.unwrap(), failed("7"));
        assert_eq!(answer_to(&[odd, insert(8, "13")]).await.unwrap(), failed("7"));
        assert_eq!(answer_to(&[record(5, "RENAME", "1")]).await.unwrap(), failed("5"));
        // A handler that panics, hangs, or forgets one.
        for (id, expected) in [("100", "5"), ("101", "5"), ("102", "6")] {
            assert_eq!(answer_to(&[insert(5, "1"), insert(6, id)]).await.unwrap(), failed(expected), "{id}");
        }
    }

    #[tokio::test]
    async fn another_event_is_an_error_that_quotes_nothing() {
        for odd in [json!({ "eventName": "hunter2" }), json!("hunter2")] {
            assert_eq!(format!("{:#}", answer_to(&[odd]).await.unwrap_err()), "not an event of a table");
        }
    }
}
