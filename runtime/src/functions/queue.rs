//! A function on a queue. Lambda hands it a batch of messages, and the function answers which of them failed.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

use super::messages::{Messages, verdicts};
use super::{Handle, Invocation};
use crate::events::attributes::{Attribute, Attributes};
use crate::events::consumer::{Verdict, tell_poison};
use crate::events::envelope::{self, Envelope};

/// Makes the handler of a queue's messages into the handler of a function. The event source needs
/// `ReportBatchItemFailures`: without it Lambda takes every answer for a success. The queue's own settings decide when
/// a message is delivered again.
pub fn handle(messages: Messages) -> Handle {
    let messages = Arc::new(messages);
    Box::new(move |invocation| Box::pin(answer(Arc::clone(&messages), invocation)))
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Own>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    data_type: String,
    string_value: Option<String>,
}

async fn answer(messages: Arc<Messages>, invocation: Invocation) -> anyhow::Result<Vec<u8>> {
    // The error of the parser may quote the message.
    let event: Event = serde_json::from_slice(&invocation.event).ok().context("not an event of a queue")?;
    let (mut read, mut envelopes) = (Vec::new(), Vec::new());
    let mut failed = Vec::new();
    for record in &event.records {
        match open(record) {
            Ok(envelope) => {
                read.push(record);
                envelopes.push(envelope);
            }
            Err(error) => failed.push(poison(record, &error)),
        }
    }
    for (record, verdict) in read.into_iter().zip(verdicts(&messages, envelopes, invocation.left).await) {
        match verdict {
            Verdict::Done => {}
            Verdict::Retry(_) => failed.push(record),
            Verdict::Poison(error) => failed.push(poison(record, &error)),
        }
    }
    let failures: Vec<_> = failed.iter().map(|record| json!({ "itemIdentifier": record.message_id })).collect();
    Ok(serde_json::to_vec(&json!({ "batchItemFailures": failures }))?)
}

fn open(record: &Record) -> anyhow::Result<Envelope> {
    let own = record.message_attributes.iter();
    let attributes: Attributes = own
        .filter_map(|(name, own)| {
            let attribute = Attribute { kind: own.data_type.clone(), value: own.string_value.clone()? };
            Some((name.clone(), attribute))
        })
        .collect();
    envelope::parse(&record.body, attributes, &record.message_id)
}

fn poison<'a>(record: &'a Record, error: &anyhow::Error) -> &'a Record {
    let receives = record.attributes.get("ApproximateReceiveCount").map(String::as_str);
    tell_poison(Some(&record.message_id), receives, error);
    record
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;
    use serde_json::Value;

    use super::*;

    async fn answer_to(event: &Value) -> anyhow::Result<Value> {
        let verdict = |envelope: Envelope| -> BoxFuture<'static, Verdict> {
            let verdict = match envelope.message.as_str() {
                "later" => Verdict::Retry(5),
                "poison" => Verdict::Poison(anyhow::anyhow!("nothing can be made of it")),
                "panic" => panic!("as if by mistake"),
                "hang" => return Box::pin(std::future::pending()),
                _ if envelope.attributes.get("MessageAttributeItemId") == Some("2") => Verdict::Done,
                other => panic!("{other}"),
            };
            Box::pin(std::future::ready(verdict))
        };
        let handle = handle(Messages { at_a_time: 10, handle: Box::new(verdict) });
        let (request_id, event) = ("1".to_owned(), event.to_string().into());
        let answer = handle(Invocation { request_id, event, left: Duration::from_secs(1) }).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// A record of an event, as Lambda has it.
    fn record(id: &str, body: &str) -> Value {
        json!({
            "messageId": id, "receiptHandle": "h", "body": body, "md5OfBody": "x", "eventSource": "aws:sqs",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1" },
            "messageAttributes": { "MessageAttributeItemId": {
                "stringValue": "2", "stringListValues": [], "binaryListValues": [], "dataType": "Number"
            } },
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders", "awsRegion": "eu-west-1"
        })
    }

    #[tokio::test]
    async fn only_the_messages_that_failed_come_again() {
        let wrapped = json!({
            "Type": "Notification", "MessageId": "m", "Message": "more",
            "MessageAttributes": { "MessageAttributeItemId": { "Type": "Number", "Value": "2" } },
        });
        let odd = json!({ "Type": "UnsubscribeConfirmation", "Message": "" }).to_string();
        let records = [
            record("a", "raw"),
            record("b", "later"),
            record("c", &wrapped.to_string()),
            record("d", "poison"),
            record("e", &odd),
            record("f", "panic"),
            record("g", "hang"),
            record("h", "raw"),
        ];
        let answer = answer_to(&json!({ "Records": records })).await.unwrap();
        let failed: Vec<_> = answer["batchItemFailures"].as_array().unwrap().iter().collect();
        let mut failed: Vec<&str> = failed.iter().map(|item| item["itemIdentifier"].as_str().unwrap()).collect();
        failed.sort_unstable();
        assert_eq!(failed, ["b", "d", "e", "f", "g"]);
        let answer = answer_to(&json!({ "Records": [record("a", "raw")] })).await.unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }

    #[tokio::test]
    async fn another_event_is_an_error_that_quotes_nothing() {
        let error = answer_to(&json!({ "Records": [{ "body": "hunter2" }] })).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "not an event of a queue");
    }
}
