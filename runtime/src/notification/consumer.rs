//! From the queue into the feed. A message is deleted after its event is committed, and not before.

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
};
use serde_json::json;

use super::{Service, feed, message};
use crate::background::Loop;
use crate::config::stores::Queue;
use crate::ready::Ready;
use crate::{aws, metrics, telemetry};

/// At a time, in one task. The feed takes one batch after the other anyway; the second is on its way meanwhile.
pub const RECEIVERS: usize = 2;

pub struct Consumer {
    service: Arc<Service>,
    client: Client,
    queue: String,
}

impl Consumer {
    pub async fn new(service: Arc<Service>, queue: &Queue) -> Self {
        Consumer { service, client: Client::new(&aws::config(&queue.region).await), queue: queue.url.clone() }
    }
}

pub async fn run(consumer: Consumer, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let mut told = false;
    while !this.is_stopping() {
        let received = match this.unless_stopping(receive(&consumer)).await {
            None => return,
            Some(Ok(messages)) => {
                told = false;
                messages
            }
            Some(Err(message)) => {
                if !told {
                    telemetry::warn("queue.unreachable", &json!({ "message": message }));
                    told = true;
                }
                this.sleep(PAUSE).await;
                continue;
            }
        };
        if received.is_empty() || handle(&consumer, received).await {
            continue;
        }
        // What is received while the database is away only comes nearer to the dead-letter queue.
        while !this.is_stopping() && feed::last(&consumer.service.database).await.is_err() {
            this.sleep(PAUSE).await;
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);
/// The longest that SQS lets a receiver wait.
const LONG_POLL: Duration = Duration::from_secs(20);
/// What is not understood today may be understood by the release that is being deployed; but not for long.
const POISON_SECONDS: i32 = 1;
const FAILED_SECONDS: i32 = 5;

async fn receive(consumer: &Consumer) -> Result<Vec<Message>, String> {
    let patience = TimeoutConfig::builder().operation_timeout(LONG_POLL + Duration::from_secs(10)).build();
    let call = consumer
        .client
        .receive_message()
        .queue_url(&consumer.queue)
        .max_number_of_messages(10)
        .wait_time_seconds(LONG_POLL.as_secs() as i32)
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
        .customize()
        .config_override(Config::builder().timeout_config(patience));
    let answer = call.send().await.map_err(|error| aws::told(&error))?;
    Ok(answer.messages.unwrap_or_default())
}

/// Whether the database took what there was to take.
async fn handle(consumer: &Consumer, messages: Vec<Message>) -> bool {
    let mut events = Vec::new();
    let mut understood = Vec::new();
    let mut poison = Vec::new();
    for received in &messages {
        match message::parse(received.body().unwrap_or_default()) {
            Ok(event) => {
                events.push(event);
                understood.push(received);
            }
            Err(error) => {
                let count = MessageSystemAttributeName::ApproximateReceiveCount;
                let receives = received.attributes().and_then(|attributes| attributes.get(&count));
                let line = json!({
                    "message_id": received.message_id(), "receives": receives, "message": format!("{error:#}"),
                });
                telemetry::error("message.poison", &line);
                metrics::count("Poison", 1);
                poison.push(received);
            }
        }
    }
    hide(consumer, &poison, POISON_SECONDS).await;
    if events.is_empty() {
        return true;
    }
    match feed::append(&consumer.service, events).await {
        Ok(()) => {
            delete(consumer, &understood).await;
            true
        }
        Err(error) => {
            telemetry::error("append.failed", &json!({ "message": format!("{error:#}") }));
            hide(consumer, &understood, FAILED_SECONDS).await;
            false
        }
    }
}

/// What is not deleted comes again, and is in the feed already.
async fn delete(consumer: &Consumer, messages: &[&Message]) {
    let entry = |(at, message): (usize, &&Message)| {
        let handle = message.receipt_handle()?;
        DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle).build().ok()
    };
    let entries = messages.iter().enumerate().filter_map(entry).collect();
    let call = consumer.client.delete_message_batch().queue_url(&consumer.queue).set_entries(Some(entries));
    if let Err(error) = call.send().await {
        telemetry::warn("queue.delete", &json!({ "message": aws::told(&error) }));
    }
}

/// Until they are delivered again. Failing that, the queue's own time does it.
async fn hide(consumer: &Consumer, messages: &[&Message], seconds: i32) {
    if messages.is_empty() {
        return;
    }
    let entry = |(at, message): (usize, &&Message)| {
        let handle = message.receipt_handle()?;
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
        entry.visibility_timeout(seconds).build().ok()
    };
    let entries = messages.iter().enumerate().filter_map(entry).collect();
    let call = consumer.client.change_message_visibility_batch().queue_url(&consumer.queue).set_entries(Some(entries));
    if let Err(error) = call.send().await {
        telemetry::warn("queue.hide", &json!({ "message": aws::told(&error) }));
    }
}
