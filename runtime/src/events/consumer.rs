//! Takes messages from a queue and gives them to a handler. A message is deleted after the handler is done with it, and
//! not before.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
};
use futures_util::future::BoxFuture;
use serde_json::json;

use super::attributes::{Attribute, Attributes};
use super::envelope::{self, Envelope};
use crate::aws;
use crate::background::Loop;
use crate::config::stores::Queue;
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics};

pub struct Consumer {
    pub client: Client,
    /// The URL of the queue.
    pub queue: String,
    pub handler: Handler,
}

/// What a role does with the messages of a queue.
pub struct Handler {
    pub handle: Handle,
    /// Whether everything that the handler needs can be reached. After a failure the consumer asks this until it is so,
    /// and receives nothing: each receive would only bring the messages nearer to the dead-letter queue.
    pub is_well: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// Gives a verdict for each message of a batch, in their order.
pub type Handle = Box<dyn Fn(Vec<Envelope>) -> BoxFuture<'static, Vec<Verdict>> + Send + Sync>;

/// What happens to a message next.
#[derive(Debug)]
pub enum Verdict {
    Done,
    /// The message is delivered again after so many seconds.
    Retry(i32),
    /// Nothing can be made of the message. It is delivered again, until it ends in the dead-letter queue.
    Poison(anyhow::Error),
}

impl Consumer {
    pub async fn new(queue: &Queue, handler: Handler) -> Self {
        Consumer { client: Client::new(&aws::config(&queue.region).await), queue: queue.url.clone(), handler }
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
        while !this.is_stopping() && !(consumer.handler.is_well)().await {
            this.sleep(PAUSE).await;
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);
/// The longest time that SQS lets a receiver wait.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The seconds until an unreadable message is delivered again. The release that is being deployed may understand it.
/// The wait is short, so that the message soon ends in the dead-letter queue.
const POISON_SECONDS: i32 = 1;

async fn receive(consumer: &Consumer) -> Result<Vec<Message>, String> {
    let patience = TimeoutConfig::builder().operation_timeout(LONG_POLL + Duration::from_secs(10)).build();
    let call = consumer
        .client
        .receive_message()
        .queue_url(&consumer.queue)
        .max_number_of_messages(10)
        .wait_time_seconds(LONG_POLL.as_secs() as i32)
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
        .message_attribute_names("All")
        .customize()
        .config_override(Config::builder().timeout_config(patience));
    let answer = call.send().await.map_err(|error| aws::told(&error))?;
    Ok(answer.messages.unwrap_or_default())
}

/// Handles a batch. Whether every message is done with: `false` if one is to be tried again.
async fn handle(consumer: &Consumer, messages: Vec<Message>) -> bool {
    let (mut read, mut envelopes) = (Vec::new(), Vec::new());
    let mut verdicts = Vec::new();
    for message in &messages {
        match open(message) {
            Ok(envelope) => {
                read.push(message);
                envelopes.push(envelope);
            }
            Err(error) => verdicts.push((message, Verdict::Poison(error))),
        }
    }
    if !envelopes.is_empty() {
        verdicts.extend(read.into_iter().zip((consumer.handler.handle)(envelopes).await));
    }
    let (mut done, mut later) = (Vec::new(), Vec::new());
    let mut all_done = true;
    for (message, verdict) in verdicts {
        match verdict {
            Verdict::Done => done.push(message),
            Verdict::Retry(seconds) => {
                all_done = false;
                later.push((message, seconds));
            }
            Verdict::Poison(error) => {
                let count = MessageSystemAttributeName::ApproximateReceiveCount;
                let receives = message.attributes().and_then(|attributes| attributes.get(&count));
                tell_poison(message.message_id(), receives.map(String::as_str), &error);
                later.push((message, POISON_SECONDS));
            }
        }
    }
    hide(consumer, &later).await;
    delete(consumer, &done).await;
    all_done
}

fn open(message: &Message) -> anyhow::Result<Envelope> {
    let own = message.message_attributes().into_iter().flatten();
    let attributes: Attributes = own
        .filter_map(|(name, value)| {
            let kind = value.data_type().to_owned();
            Some((name.clone(), Attribute { kind, value: value.string_value()?.to_owned() }))
        })
        .collect();
    envelope::parse(message.body().unwrap_or_default(), attributes, message.message_id().unwrap_or_default())
}

/// Logs that nothing can be made of a message.
pub fn tell_poison(message_id: Option<&str>, receives: Option<&str>, error: &anyhow::Error) {
    let line = json!({ "message_id": message_id, "receives": receives, "message": format!("{error:#}") });
    telemetry::error("message.poison", &line);
    metrics::count("Poison", 1);
}

/// Deletes messages. A message that is not deleted comes again, to a handler that has done its work already.
async fn delete(consumer: &Consumer, messages: &[&Message]) {
    if messages.is_empty() {
        return;
    }
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

/// Hides each message for its number of seconds. If this fails, the queue's own time decides when they are delivered
/// again.
async fn hide(consumer: &Consumer, messages: &[(&Message, i32)]) {
    if messages.is_empty() {
        return;
    }
    let entry = |(at, (message, seconds)): (usize, &(&Message, i32))| {
        let handle = message.receipt_handle()?;
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
        entry.visibility_timeout(*seconds).build().ok()
    };
    let entries = messages.iter().enumerate().filter_map(entry).collect();
    let call = consumer.client.change_message_visibility_batch().queue_url(&consumer.queue).set_entries(Some(entries));
    if let Err(error) = call.send().await {
        telemetry::warn("queue.hide", &json!({ "message": aws::told(&error) }));
    }
}
