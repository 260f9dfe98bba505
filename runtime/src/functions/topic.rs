//! A function on a topic. SNS hands it one message at a time, without waiting for the answer: Lambda repeats an event
//! that the function did not handle, and gives it to the function's on-failure destination in the end.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>

use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::messages::{Messages, verdicts};
use super::{Handle, Invocation};
use crate::events::attributes::Attributes;
use crate::events::consumer::{Verdict, tell_poison};
use crate::events::envelope::Envelope;

/// Makes the handler of a topic's messages into the handler of a function.
pub fn handle(messages: Messages) -> Handle {
    let messages = Arc::new(messages);
    Box::new(move |invocation| Box::pin(answer(Arc::clone(&messages), invocation)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    sns: Published,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    message: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    #[serde(default)]
    message_attributes: Attributes,
}

async fn answer(messages: Arc<Messages>, invocation: Invocation) -> anyhow::Result<Vec<u8>> {
    // The error of the parser may quote the message.
    let event: Event = serde_json::from_slice(&invocation.event).ok().context("not an event of a topic")?;
    let envelopes: Vec<Envelope> = event.records.into_iter().map(|record| envelope(record.sns)).collect();
    let ids: Vec<String> = envelopes.iter().map(|envelope| envelope.message_id.clone()).collect();
    let mut failed = false;
    for (id, verdict) in ids.iter().zip(verdicts(&messages, envelopes, invocation.left).await) {
        match verdict {
            Verdict::Done => {}
            Verdict::Retry(_) => failed = true,
            Verdict::Poison(error) => {
                tell_poison(Some(id), None, &error);
                failed = true;
            }
        }
    }
    if failed {
        bail!("a message was not handled");
    }
    Ok(b"null".to_vec())
}

fn envelope(published: Published) -> Envelope {
    let Published { message, message_id, topic_arn, subject, message_attributes } = published;
    Envelope { message, is_wrapped: true, subject, attributes: message_attributes, message_id, topic: Some(topic_arn) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;
    use serde_json::{Value, json};

    use super::*;

    async fn answer_to(event: &Value) -> anyhow::Result<Vec<u8>> {
        let verdict = |envelope: Envelope| -> BoxFuture<'static, Verdict> {
            let verdict = match envelope.message.as_str() {
                "later" => Verdict::Retry(5),
                "poison" => Verdict::Poison(anyhow::anyhow!("nothing can be made of it")),
                "panic" => panic!("as if by mistake"),
                _ => {
                    let is_whole = envelope.subject.as_deref() == Some("Item2 재고 부족")
                        && envelope.attributes.get("MessageAttributeItemId") == Some("2")
                        && envelope.message_id == "95df01b4-ee98-5cb9-9903-4c221d41eb5e"
                        && envelope.topic.as_deref() == Some("arn:aws:sns:eu-west-1:123456789012:orders");
                    if is_whole { Verdict::Done } else { Verdict::Poison(anyhow::anyhow!("a part is missing")) }
                }
            };
            Box::pin(std::future::ready(verdict))
        };
        let handle = handle(Messages { at_a_time: 10, handle: Box::new(verdict) });
        let (request_id, event) = ("1".to_owned(), event.to_string().into());
        handle(Invocation { request_id, event, left: Duration::from_secs(1) }).await
    }

    /// An event as SNS hands it over.
    fn event(message: &str) -> Value {
        json!({ "Records": [{
            "EventVersion": "1.0", "EventSource": "aws:sns",
            "EventSubscriptionArn": "arn:aws:sns:eu-west-1:123456789012:orders:21be56ed-a058-49f5-8c98-aedd2564c486",
            "Sns": {
                "SignatureVersion": "1", "Timestamp": "2019-01-02T12:45:07.000Z", "Signature": "tcc6faL2yUC6dg",
                "SigningCertUrl": "https://sns.eu-west-1.amazonaws.com/x.pem", "Type": "Notification",
                "UnsubscribeUrl": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
                "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Message": message,
                "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders", "Subject": "Item2 재고 부족",
                "MessageAttributes": { "MessageAttributeItemId": { "Type": "Number", "Value": "2" } }
            }
        }] })
    }

    #[tokio::test]
    async fn a_message_that_is_not_handled_is_an_error_so_that_lambda_repeats_it() {
        assert_eq!(answer_to(&event("more")).await.unwrap(), b"null");
        for message in ["later", "poison", "panic"] {
            let error = answer_to(&event(message)).await.unwrap_err();
            assert_eq!(format!("{error:#}"), "a message was not handled", "{message}");
        }
        let mut silent = event("more");
        silent["Records"][0]["Sns"]["Subject"] = Value::Null;
        assert!(answer_to(&silent).await.is_err());
    }

    #[tokio::test]
    async fn another_event_is_an_error_that_quotes_nothing() {
        let error = answer_to(&json!({ "Records": [{ "body": "hunter2" }] })).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "not an event of a topic");
    }
}
