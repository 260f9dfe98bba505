//! The calls of SQS that a function's part makes.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;

pub struct Queues(Client);

/// A message, as it was received.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    pub message_id: String,
    pub receipt_handle: String,
    pub body: String,
    #[serde(rename = "MD5OfBody")]
    pub md5: String,
    #[serde(rename = "MD5OfMessageAttributes")]
    pub md5_of_attributes: Option<String>,
    #[serde(default)]
    pub attributes: Value,
    #[serde(default)]
    pub message_attributes: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

/// The most messages of one call.
pub const MOST: usize = 10;
const WITHIN: Duration = Duration::from_secs(10);

impl Queues {
    pub fn new() -> Self {
        Queues(Client::new())
    }

    /// Receives messages, and waits for them. The queue's own visibility timeout counts.
    pub async fn receive(&self, url: &str, most: usize, wait_seconds: u64) -> Result<Vec<Message>> {
        let asked = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": most.min(MOST),
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let answer = self.call(url, "ReceiveMessage", &asked, WITHIN + Duration::from_secs(wait_seconds)).await?;
        Ok(serde_json::from_slice::<Received>(&answer)?.messages)
    }

    pub async fn delete(&self, url: &str, messages: &[&Message]) -> Result<()> {
        for some in messages.chunks(MOST) {
            let entry = |(at, message): (usize, &&Message)| json!({ "Id": at.to_string(), "ReceiptHandle": message.receipt_handle });
            let entries: Vec<Value> = some.iter().enumerate().map(entry).collect();
            let answer =
                self.call(url, "DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }), WITHIN).await?;
            let told: Value = serde_json::from_slice(&answer)?;
            if let Some(failed) = told.get("Failed") {
                bail!("not deleted: {failed}");
            }
        }
        Ok(())
    }

    pub async fn send(&self, url: &str, body: &str) -> Result<()> {
        self.call(url, "SendMessage", &json!({ "QueueUrl": url, "MessageBody": body }), WITHIN).await.map(drop)
    }

    async fn call(&self, url: &str, action: &str, asked: &Value, within: Duration) -> Result<Vec<u8>> {
        let target = format!("AmazonSQS.{action}");
        let answer = self.0.post(url, &[("x-amz-target", &target)], asked.to_string(), within).await?;
        if !answer.status.is_success() {
            bail!("{action}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(answer.body.into())
    }
}
