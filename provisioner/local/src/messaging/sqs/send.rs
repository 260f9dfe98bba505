//! SendMessage and SendMessageBatch.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::batch::{self, Outcome};
use super::{Request, invalid, missing, queue_name, read};
use crate::hex;
use crate::messaging::attribute::{self, Attribute, Content, MessageAttributes, md5_of, md5_of_attributes};
use crate::messaging::refusal::Refusal;
use crate::messaging::settings::{LARGEST, Settings};
use crate::messaging::store::{Draft, Sent, Store, no_queue};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Entry {
    id: String,
    queue_url: String,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: BTreeMap<String, Given>,
    message_system_attributes: BTreeMap<String, Given>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Batch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Given {
    data_type: Option<String>,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// The most attributes of a message.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MOST_ATTRIBUTES: usize = 10;

pub fn send(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let entry: Entry = read(request)?;
    let name = queue_name(&entry.queue_url)?;
    let settings = settings(store, name)?;
    let draft = draft(&entry, &settings)?;
    let told = told(&draft);
    let sent = store.send(name, vec![draft], now)?;
    Ok(with(told, &sent[0], settings.fifo))
}

pub fn send_batch(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let batch: Batch = read(request)?;
    let name = queue_name(&batch.queue_url)?;
    let settings = settings(store, name)?;
    batch::check("SendMessageBatchRequestEntry", batch.entries.iter().map(|entry| entry.id.as_str()))?;
    let total: usize = batch.entries.iter().map(size).sum();
    if total as u64 > LARGEST {
        let message = format!("Batch requests cannot be longer than {LARGEST} bytes. You have sent {total} bytes.");
        return Err(Refusal::new("BatchRequestTooLong", message));
    }
    if settings.fifo {
        // An entry for a FIFO queue can lack one thing. SQS says then that the whole request is wrong, and gives
        // another code.
        for entry in &batch.entries {
            check_fifo(entry, &settings).map_err(|refusal| Refusal::new("InvalidParameterValue", refusal.message))?;
        }
    }
    let mut outcome = Outcome::default();
    let mut drafts = Vec::new();
    let mut accepted = Vec::new();
    for entry in &batch.entries {
        match draft(entry, &settings) {
            Ok(draft) => {
                accepted.push((&entry.id, told(&draft)));
                drafts.push(draft);
            }
            Err(refusal) => outcome.add(&entry.id, Err(refusal)),
        }
    }
    let sent = store.send(name, drafts, now)?;
    for ((id, told), sent) in accepted.into_iter().zip(&sent) {
        outcome.add(id, Ok(with(told, sent, settings.fifo)));
    }
    Ok(outcome.answer())
}

fn settings(store: &Store, name: &str) -> Result<Settings, Refusal> {
    store.state.queues.get(name).map(|queue| queue.settings.clone()).ok_or_else(no_queue)
}

fn draft(entry: &Entry, settings: &Settings) -> Result<Draft, Refusal> {
    let body = entry.message_body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    if !body.chars().all(is_allowed) {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 \
                       to #xFFFD | #x10000 to #x10FFFF";
        return Err(Refusal::new("InvalidMessageContents", message));
    }
    let attributes = attributes(&entry.message_attributes)?;
    let mut system = attributes_of_the_system(&entry.message_system_attributes)?;
    let size: usize = attributes.iter().map(|(name, attribute)| name.len() + attribute.size()).sum();
    if body.len() + size > settings.largest {
        let largest = settings.largest;
        let message =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes.");
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    let delay = match entry.delay_seconds {
        None => None,
        Some(seconds @ 0..=900) if !settings.fifo || seconds == 0 => Some(seconds as u64).filter(|_| !settings.fifo),
        Some(seconds) if settings.fifo => {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(invalid(&seconds.to_string(), "DelaySeconds", reason));
        }
        Some(seconds) => {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            return Err(invalid(&seconds.to_string(), "DelaySeconds", reason));
        }
    };
    check_id(entry.message_group_id.as_deref(), "MessageGroupId")?;
    check_id(entry.message_deduplication_id.as_deref(), "MessageDeduplicationId")?;
    let mut deduplication = entry.message_deduplication_id.clone();
    if settings.fifo {
        check_fifo(entry, settings)?;
        deduplication = deduplication.or_else(|| Some(hex(&Sha256::digest(body.as_bytes()))));
    } else if let Some(deduplication) = &deduplication {
        let reason = "The request include parameter that is not valid for this queue type.";
        return Err(invalid(deduplication, "MessageDeduplicationId", reason));
    }
    Ok(Draft {
        body: body.to_owned(),
        attributes,
        trace: system.remove(TRACE),
        group: entry.message_group_id.clone(),
        deduplication,
        delay,
    })
}

fn check_fifo(entry: &Entry, settings: &Settings) -> Result<(), Refusal> {
    if entry.message_group_id.is_none() {
        return Err(missing("MessageGroupId"));
    }
    if entry.message_deduplication_id.is_none() && !settings.content_based {
        let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                       explicitly";
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    Ok(())
}

const TRACE: &str = "AWSTraceHeader";

fn told(draft: &Draft) -> Value {
    let mut told = json!({ "MD5OfMessageBody": md5_of(&draft.body) });
    if let Some(md5) = md5_of_attributes(&draft.attributes) {
        told["MD5OfMessageAttributes"] = json!(md5);
    }
    if let Some(trace) = &draft.trace {
        told["MD5OfMessageSystemAttributes"] = json!(md5_of_attributes([(&TRACE.to_owned(), trace)]));
    }
    told
}

fn with(mut told: Value, sent: &Sent, fifo: bool) -> Value {
    told["MessageId"] = json!(sent.id);
    if fifo {
        told["SequenceNumber"] = json!(format!("{:020}", sent.order));
    }
    told
}

fn attributes(given: &BTreeMap<String, Given>) -> Result<MessageAttributes, Refusal> {
    if given.len() > MOST_ATTRIBUTES {
        let message = format!("Number of message attributes [{}] exceeds the allowed maximum [10].", given.len());
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    given.iter().map(|(name, given)| Ok((name.clone(), attribute(name, given)?))).collect()
}

fn attributes_of_the_system(given: &BTreeMap<String, Given>) -> Result<MessageAttributes, Refusal> {
    if let Some(other) = given.keys().find(|name| *name != TRACE) {
        let message = format!("Message system attribute name '{other}' is invalid.");
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    attributes(given)
}

fn attribute(name: &str, given: &Given) -> Result<Attribute, Refusal> {
    let refused = |message: String| Err(Refusal::new("InvalidParameterValue", message));
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() || name.len() > 256 || dots || !name.chars().all(allowed) {
        return refused("Invalid message attribute name.".to_owned());
    }
    let Some(kind) = given.data_type.as_deref().filter(|kind| !kind.is_empty()) else {
        return refused(format!("The message attribute '{name}' must contain non-empty message attribute type."));
    };
    let empty = |kind: &str| {
        refused(format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."))
    };
    match kind.split('.').next() {
        Some("String" | "Number") => match given.string_value.as_deref() {
            None | Some("") => empty("String"),
            Some(text) if kind.starts_with("Number") && !attribute::is_number(text) => {
                refused(format!("Can't cast the value of message (user) attribute '{name}' to a number."))
            }
            Some(text) if !text.chars().all(is_allowed) => {
                refused(format!("Message (user) attribute '{name}' has invalid characters."))
            }
            Some(text) => Ok(Attribute::text(kind, text)),
        },
        Some("Binary") => match given.binary_value.as_deref() {
            None | Some("") => empty("Binary"),
            Some(base64) if !attribute::is_base64(base64) => empty("Binary"),
            Some(base64) => Ok(Attribute { kind: kind.to_owned(), content: Content::Binary(base64.to_owned()) }),
        },
        _ => refused(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        )),
    }
}

/// The size of an entry that may still be refused.
fn size(entry: &Entry) -> usize {
    let of = |(name, given): (&String, &Given)| {
        let texts = [&given.data_type, &given.string_value].into_iter().flatten().map(String::len).sum::<usize>();
        name.len() + texts + given.binary_value.as_ref().map_or(0, |base64| base64.len() / 4 * 3)
    };
    entry.message_body.as_ref().map_or(0, String::len) + entry.message_attributes.iter().map(of).sum::<usize>()
}

fn check_id(id: Option<&str>, parameter: &str) -> Result<(), Refusal> {
    match id {
        Some(id) if id.is_empty() || id.len() > 128 || !id.chars().all(|letter| letter.is_ascii_graphic()) => {
            let reason =
                format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
            Err(invalid(id, parameter, &reason))
        }
        _ => Ok(()),
    }
}

/// Whether a message may have this letter.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
