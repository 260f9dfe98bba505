//! Publish and PublishBatch. A message goes to every subscription that takes it, at once and in one piece.

use std::collections::HashSet;

use serde_json::Value;

use super::form::Form;
use super::xml::{element, text};
use super::{envelope, invalid, no_topic, topic};
use crate::hex;
use crate::messaging::arn;
use crate::messaging::attribute::MessageAttributes;
use crate::messaging::record::{Record, Seen};
use crate::messaging::refusal::Refusal;
use crate::messaging::state::Subscription;
use crate::messaging::store::{Draft, Store, new_id};
use sha2::{Digest, Sha256};

/// The largest message. <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LARGEST: usize = 256 * 1024;
const BATCH: usize = 10;

struct Publication {
    message: String,
    /// The texts for queues and for functions, if each protocol has its own.
    for_queues: Option<String>,
    for_functions: Option<String>,
    subject: Option<String>,
    attributes: MessageAttributes,
    group: Option<String>,
    deduplication: Option<String>,
}

struct Published {
    id: String,
    sequence: Option<String>,
}

pub fn publish(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    if form.get("PhoneNumber").is_some() {
        return Err(invalid("PhoneNumber Reason: nothing but queues is delivered to here"));
    }
    let arn = form
        .get("TopicArn")
        .or_else(|| form.get("TargetArn"))
        .ok_or_else(|| invalid("TopicArn or TargetArn Reason: no value for required parameter"))?;
    let name = topic(arn)?.to_owned();
    let mut records = Vec::new();
    let published = deliver(store, &name, read(form)?, &mut records, now)?;
    store.commit(records, now)?;
    Ok(told(&published))
}

/// Publishes each message by itself. The valid ones are written down together.
pub fn publish_batch(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let name = topic(form.require("TopicArn")?)?.to_owned();
    if !store.state.topics.contains_key(&name) {
        return Err(no_topic());
    }
    let entries = form.list("PublishBatchRequestEntries.member");
    check(&entries)?;
    let mut records = Vec::new();
    let mut successful = String::new();
    let mut failed = String::new();
    for entry in &entries {
        let id = element("Id", entry.get("Id").unwrap_or_default());
        let published = read(entry).and_then(|publication| deliver(store, &name, publication, &mut records, now));
        match published {
            Ok(published) => successful.push_str(&format!("<member>{id}{}</member>", told(&published))),
            Err(refusal) => {
                let told = element("Code", refusal.code) + &element("Message", &refusal.message);
                failed.push_str(&format!("<member>{id}{told}<SenderFault>true</SenderFault></member>"));
            }
        }
    }
    store.commit(records, now)?;
    Ok(format!("<Successful>{successful}</Successful><Failed>{failed}</Failed>"))
}

fn check(entries: &[Form]) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Err(Refusal::new("EmptyBatchRequest", "The batch request doesn't contain any entries."));
    }
    if entries.len() > BATCH {
        let message = "The batch request contains more entries than permissible.";
        return Err(Refusal::new("TooManyEntriesInBatchRequest", message));
    }
    let mut ids = HashSet::new();
    for entry in entries {
        let id = entry.get("Id").unwrap_or_default();
        if !arn::is_name(id, 80) {
            let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return Err(Refusal::new("InvalidBatchEntryId", message));
        }
        if !ids.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(Refusal::new("BatchEntryIdsNotDistinct", message));
        }
    }
    let size = |entry: &Form| entry.get("Message").unwrap_or_default().len();
    if entries.iter().map(size).sum::<usize>() > LARGEST {
        let message = "The length of all the batch messages put together is more than the limit.";
        return Err(Refusal::new("BatchRequestTooLong", message));
    }
    Ok(())
}

fn read(form: &Form) -> Result<Publication, Refusal> {
    let message = form.get("Message").unwrap_or_default().to_owned();
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    let attributes = form.message_attributes()?;
    let attributes_size: usize = attributes.iter().map(|(name, attribute)| name.len() + attribute.size()).sum();
    if message.len() + attributes_size > LARGEST {
        return Err(invalid("Message too long"));
    }
    let subject = form.get("Subject").map(str::to_owned);
    if subject.as_ref().is_some_and(|subject| {
        subject.is_empty() || subject.chars().count() > 100 || subject.chars().any(char::is_control)
    }) {
        return Err(invalid("Subject"));
    }
    let mut publication = Publication {
        message,
        for_queues: None,
        for_functions: None,
        subject,
        attributes,
        group: form.get("MessageGroupId").map(str::to_owned),
        deduplication: form.get("MessageDeduplicationId").map(str::to_owned),
    };
    if form.get("MessageStructure") == Some("json") {
        let Ok(Value::Object(messages)) = serde_json::from_str(&publication.message) else {
            return Err(invalid("Message Structure - JSON message body failed to parse"));
        };
        let Some(Value::String(default)) = messages.get("default") else {
            return Err(invalid("Message Structure - No default entry in JSON message body"));
        };
        let own = |protocol: &str| messages.get(protocol).and_then(Value::as_str).unwrap_or(default).to_owned();
        (publication.for_queues, publication.for_functions) = (Some(own("sqs")), Some(own("lambda")));
    }
    Ok(publication)
}

/// Adds the records that deliver the message to `records`.
fn deliver(
    store: &Store,
    name: &str,
    mut publication: Publication,
    records: &mut Vec<Record>,
    now: u64,
) -> Result<Published, Refusal> {
    let topic = store.state.topics.get(name).ok_or_else(no_topic)?;
    let arn = store.place.topic(name);
    let mut published = Published { id: new_id(), sequence: None };
    if arn::is_fifo(name) {
        if publication.group.is_none() {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        let attributes = &topic.definition.attributes;
        let content_based = attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true");
        let own = content_based.then(|| hex(&Sha256::digest(publication.message.as_bytes())));
        let Some(deduplication) = publication.deduplication.clone().or(own) else {
            return Err(invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            ));
        };
        let earlier = records.iter().find_map(|record| match record {
            Record::Seen { arn: of, deduplication: what, seen } if *of == arn && *what == deduplication => Some(seen),
            _ => None,
        });
        if let Some(seen) = topic.seen.get(&deduplication, now).or(earlier) {
            return Ok(Published { id: seen.id.clone(), sequence: Some(sequence(seen.order)) });
        }
        let order = store.next_order(records);
        let seen = Seen { id: published.id.clone(), order, at: now };
        records.push(Record::Seen { arn, deduplication: deduplication.clone(), seen });
        published.sequence = Some(sequence(order));
        publication.deduplication = Some(deduplication);
    } else if publication.deduplication.is_some() {
        return Err(invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that \
                            is not valid for this topic type",
        ));
    }
    for (subscription_arn, subscription) in &store.state.subscriptions {
        if subscription.subscribed.topic != name {
            continue;
        }
        if subscription.delivery.takes(&publication.message, &publication.attributes) {
            let draft = draft(store, name, subscription_arn, subscription, &publication, &published, now);
            place(store, subscription, draft, records, now);
        }
    }
    hand(store, name, &publication, &published, records, now);
    Ok(published)
}

/// Adds the records that keep the message for the functions that take it.
fn hand(
    store: &Store,
    topic: &str,
    publication: &Publication,
    published: &Published,
    records: &mut Vec<Record>,
    now: u64,
) {
    let of_topic = store.state.functions.iter().filter(|(_, function)| function.subscription.topic == topic);
    for (key, function) in of_topic {
        if !function.delivery.takes(&publication.message, &publication.attributes) {
            continue;
        }
        let event = envelope::event(&envelope::Notification {
            id: &published.id,
            topic: &store.place.topic(topic),
            subscription: &store.place.function_subscription(topic, &function.subscription.function),
            subject: publication.subject.as_deref(),
            message: publication.for_functions.as_ref().unwrap_or(&publication.message),
            attributes: &publication.attributes,
            at: now,
            sequence: None,
        });
        let order = store.next_order(records);
        records.push(Record::Handing { key: key.clone(), order, event });
    }
}

fn draft(
    store: &Store,
    topic: &str,
    subscription_arn: &str,
    subscription: &Subscription,
    publication: &Publication,
    published: &Published,
    now: u64,
) -> Draft {
    let message = publication.for_queues.as_ref().unwrap_or(&publication.message);
    let mut draft = Draft {
        group: publication.group.clone(),
        deduplication: publication.deduplication.clone(),
        ..Draft::default()
    };
    if subscription.delivery.raw {
        draft.body = message.clone();
        draft.attributes = publication.attributes.clone();
        return draft;
    }
    draft.body = envelope::wrap(&envelope::Notification {
        id: &published.id,
        topic: &store.place.topic(topic),
        subscription: subscription_arn,
        subject: publication.subject.as_deref(),
        message,
        attributes: &publication.attributes,
        at: now,
        sequence: published.sequence.clone(),
    });
    draft
}

/// Puts the message into the queue, else into the subscription's dead-letter queue, else nowhere. The publisher is told
/// of none of it.
fn place(store: &Store, subscription: &Subscription, draft: Draft, records: &mut Vec<Record>, now: u64) {
    let targets = [Some(&subscription.subscribed.queue), subscription.delivery.dead_letters.as_ref()];
    for name in targets.into_iter().flatten() {
        let Some(queue) = store.state.queues.get(name) else {
            continue;
        };
        let size: usize = draft.attributes.iter().map(|(name, attribute)| name.len() + attribute.size()).sum();
        // SQS takes ten attributes, SNS any number.
        if draft.body.len() + size > queue.settings.largest || draft.attributes.len() > 10 {
            continue;
        }
        if store.draft(name, draft.clone(), records, now).is_ok() {
            return;
        }
    }
}

fn told(published: &Published) -> String {
    let sequence = published.sequence.as_ref().map(|sequence| element("SequenceNumber", sequence));
    format!("<MessageId>{}</MessageId>{}", text(&published.id), sequence.unwrap_or_default())
}

fn sequence(order: u64) -> String {
    format!("{order:020}")
}
