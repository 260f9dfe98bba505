//! ReceiveMessage. It gives the messages that are there, or those that come while the caller waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Request, invalid, queue_name, read};
use crate::messaging::arn::Place;
use crate::messaging::attribute::{Attribute, Content, md5_of, md5_of_attributes};
use crate::messaging::handle::Handle;
use crate::messaging::record::Message;
use crate::messaging::refusal::Refusal;
use crate::messaging::store::no_queue;
use crate::messaging::{Shared, now};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    queue_url: String,
    attribute_names: Vec<String>,
    message_system_attribute_names: Vec<String>,
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

pub async fn receive(shared: &Arc<Shared>, request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = queue_name(&input.queue_url)?;
    let (most, visibility, wait) = check(&input)?;
    let (wake, wait) = {
        let store = shared.store();
        let queue = store.state.queues.get(name).ok_or_else(no_queue)?;
        (Arc::clone(&queue.wake), wait.unwrap_or(queue.settings.wait))
    };
    let deadline = Instant::now() + Duration::from_secs(wait);
    loop {
        // This comes before the look, so that no message between the look and the wait is missed.
        let woken = wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();

        let received = shared.store().receive(name, most, visibility, now())?;
        if !received.messages.is_empty() {
            let place = shared.store().place.clone();
            let told = |message: &Message| tell(name, message, &input, &place);
            return Ok(json!({ "Messages": received.messages.iter().map(told).collect::<Vec<_>>() }));
        }
        if Instant::now() >= deadline || shared.is_stopping() {
            return Ok(json!({}));
        }
        let again = received.again_at.map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now())));
        // The next look comes after at least a millisecond, whatever the clocks say.
        let soon = Instant::now() + Duration::from_millis(1);
        let until = again.map_or(deadline, |again| again.max(soon).min(deadline));
        let _ = tokio::time::timeout_at(until, woken).await;
    }
}

fn check(input: &Input) -> Result<(usize, Option<u64>, Option<u64>), Refusal> {
    let most = input.max_number_of_messages.unwrap_or(1);
    if !(1..=10).contains(&most) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(invalid(&most.to_string(), "MaxNumberOfMessages", reason));
    }
    let within = |value: Option<i64>, parameter: &str, longest: i64, reason: &str| match value {
        Some(value) if !(0..=longest).contains(&value) => Err(invalid(&value.to_string(), parameter, reason)),
        value => Ok(value.map(|value| value as u64)),
    };
    let reason = "VisibilityTimeout must be an integer between 0 and 43200";
    let visibility = within(input.visibility_timeout, "VisibilityTimeout", 43_200, reason)?;
    let reason = "Must be >= 0 and <= 20, if provided.";
    let wait = within(input.wait_time_seconds, "WaitTimeSeconds", 20, reason)?;
    Ok((most as usize, visibility, wait))
}

fn tell(queue: &str, message: &Message, input: &Input, place: &Place) -> Value {
    let handle = Handle { queue: queue.to_owned(), order: message.order, receive: message.receives };
    let mut told = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle.to_string(),
        "MD5OfBody": md5_of(&message.body),
        "Body": message.body,
    });
    let system = system_attributes(message, place, queue.ends_with(".fifo"));
    let wanted = |name: &str| {
        let mut names = input.attribute_names.iter().chain(&input.message_system_attribute_names);
        names.any(|wanted| wanted == "All" || wanted == name)
    };
    let system: Map<String, Value> = system
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    if !system.is_empty() {
        told["Attributes"] = Value::Object(system);
    }
    let wanted = |name: &str| {
        input.message_attribute_names.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => wanted == "All" || wanted == "*" || wanted == name,
        })
    };
    let attributes: Vec<(&String, &Attribute)> = message.attributes.iter().filter(|(name, _)| wanted(name)).collect();
    if let Some(md5) = md5_of_attributes(attributes.iter().copied()) {
        told["MD5OfMessageAttributes"] = json!(md5);
        let entries = attributes.iter().map(|(name, attribute)| ((*name).clone(), tell_attribute(attribute)));
        told["MessageAttributes"] = Value::Object(entries.collect());
    }
    told
}

fn system_attributes(message: &Message, place: &Place, fifo: bool) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::from([
        ("SenderId", place.account.clone()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.to_string()),
    ]);
    if let Some(group) = &message.group {
        all.insert("MessageGroupId", group.clone());
    }
    if fifo {
        all.insert("SequenceNumber", format!("{:020}", message.order));
        if let Some(deduplication) = &message.deduplication {
            all.insert("MessageDeduplicationId", deduplication.clone());
        }
    }
    if let Some(Attribute { content: Content::Text(trace), .. }) = &message.trace {
        all.insert("AWSTraceHeader", trace.clone());
    }
    if let Some(source) = &message.source {
        all.insert("DeadLetterQueueSourceArn", place.rewrite(source));
    }
    all
}

fn tell_attribute(attribute: &Attribute) -> Value {
    match &attribute.content {
        Content::Text(text) => json!({ "DataType": attribute.kind, "StringValue": text }),
        Content::Binary(base64) => json!({ "DataType": attribute.kind, "BinaryValue": base64 }),
    }
}
