//! Publishes events to a topic, in batches.

use anyhow::Context;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::operation::RequestId;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures_util::future::join_all;
use serde_json::json;

use super::attributes::{Attribute, Attributes};
use super::outbox::Pended;
use super::relay::Delivered;
use crate::aws;
use crate::config::stores::Topic;
use crate::telemetry::{self, metrics, trace};

pub struct Publisher {
    pub client: Client,
    /// The ARN of the topic.
    pub topic: String,
}

/// The most messages that one PublishBatch takes. <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
const BATCH: usize = 10;

/// Whether SNS takes a text as the subject of a message.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub fn is_subject(text: &str) -> bool {
    (1..100).contains(&text.chars().count()) && !text.contains(char::is_control)
}

impl Publisher {
    pub async fn new(topic: &Topic) -> Self {
        let config = Builder::from(&aws::config(&topic.region).await).interceptor(aws::Traced).build();
        Publisher { client: Client::from_conf(config), topic: topic.arn.clone() }
    }

    pub async fn publish(&self, mut rows: Vec<Pended>) -> Delivered {
        let mut batches = Vec::new();
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(BATCH));
            batches.push(std::mem::replace(&mut rows, rest));
        }
        let mut all = Delivered::default();
        for delivered in join_all(batches.into_iter().map(|batch| self.batch(batch))).await {
            all.done.extend(delivered.done);
            all.failed = all.failed.or(delivered.failed);
        }
        metrics::count("Published", all.done.len() as u64);
        all
    }

    async fn batch(&self, rows: Vec<Pended>) -> Delivered {
        let mut entries = Vec::new();
        for row in &rows {
            match entry(row) {
                Ok(entry) => entries.push(entry),
                Err(error) => return Delivered { done: Vec::new(), failed: Some(format!("{error:#}")) },
            }
        }
        let call = self.client.publish_batch().topic_arn(&self.topic).set_publish_batch_request_entries(Some(entries));
        match call.send().await {
            Ok(answer) => {
                tell(&answer);
                let done = answer.successful().iter().filter_map(|entry| entry.id()?.parse().ok()).collect();
                let failed = answer.failed().first().map(|entry| format!("SNS refused an event: {}", entry.code()));
                Delivered { done, failed }
            }
            Err(error) => Delivered { done: Vec::new(), failed: Some(aws::told(&error)) },
        }
    }
}

/// Logs what SNS says of each message, in the form that its API has.
fn tell(answer: &PublishBatchOutput) {
    for entry in answer.successful() {
        let (request, message) = (answer.request_id(), entry.message_id());
        telemetry::info("published", &json!({ "ResponseMetadata": { "RequestId": request }, "MessageId": message }));
    }
}

fn entry(row: &Pended) -> anyhow::Result<PublishBatchRequestEntry> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(row.id.to_string())
        .message(row.message.as_deref().unwrap_or("{}"))
        .set_subject(row.title.clone())
        .message_attributes(trace::HEADER, attribute("String", &row.traceparent)?);
    if let Some(json) = &row.attributes {
        let attributes: Attributes = serde_json::from_str(json).context("the attributes in the outbox")?;
        for (name, Attribute { kind, value }) in attributes.iter() {
            entry = entry.message_attributes(name, attribute(kind, value)?);
        }
    }
    Ok(entry.build()?)
}

fn attribute(kind: &str, value: &str) -> anyhow::Result<MessageAttributeValue> {
    Ok(MessageAttributeValue::builder().data_type(kind).string_value(value).build()?)
}
