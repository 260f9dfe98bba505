//! Queues, their attributes and tags.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Request, missing, queue_name, read};
use crate::messaging::config::Attributes;
use crate::messaging::record::{Definition, Record};
use crate::messaging::refusal::Refusal;
use crate::messaging::settings::{self, Settings};
use crate::messaging::store::{Store, no_queue};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    queue_name: String,
    queue_url: String,
    queue_name_prefix: String,
    attributes: Attributes,
    attribute_names: Vec<String>,
    #[serde(alias = "tags")]
    tags: BTreeMap<String, String>,
    tag_keys: Vec<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The most queues in one answer of ListQueues.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>
const PAGE: usize = 1000;

pub fn create(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = input.queue_name;
    if name.is_empty() {
        return Err(missing("QueueName"));
    }
    let parsed = settings::parse(&name, &input.attributes)?;
    let told = json!({ "QueueUrl": url_of(store, request, &name) });
    if let Some(queue) = store.state.queues.get(&name) {
        let existing = settings::with_defaults(&queue.definition.attributes);
        for (attribute, value) in &input.attributes {
            if existing.get(attribute) != Some(value) {
                let message = format!(
                    "A queue already exists with the same name and a different value for attribute {attribute}"
                );
                return Err(Refusal::new("QueueNameExists", message));
            }
        }
        return Ok(told);
    }
    check_target(store, &input.attributes, &parsed)?;
    let Input { attributes, tags, .. } = input;
    let definition = Definition { attributes, tags, created: now, modified: now, declared: false };
    store.commit(vec![Record::Queue { name, definition }], now)?;
    Ok(told)
}

pub fn delete(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?.to_owned();
    store.commit(vec![Record::QueueGone { name }], now)?;
    Ok(json!({}))
}

pub fn purge(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?;
    store.purge(name, now)?;
    Ok(json!({}))
}

pub fn url(store: &Store, request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    if input.queue_name.is_empty() {
        return Err(missing("QueueName"));
    }
    if !store.state.queues.contains_key(&input.queue_name) {
        return Err(no_queue());
    }
    Ok(json!({ "QueueUrl": url_of(store, request, &input.queue_name) }))
}

pub fn list(store: &Store, request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let names = store.state.queues.keys().filter(|name| name.starts_with(&input.queue_name_prefix));
    Ok(page(store, request, &input, names, "QueueUrls"))
}

pub fn sources(store: &Store, request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?;
    let has = |settings: &Settings| settings.redrive.as_ref().is_some_and(|redrive| redrive.queue == name);
    let sources = store.state.queues.iter().filter(|(_, queue)| has(&queue.settings));
    Ok(page(store, request, &input, sources.map(|(name, _)| name), "queueUrls"))
}

pub fn get(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?;
    let arn = store.place.queue(name);
    let queue = store.queue(name, now)?;
    let depth = queue.depth();
    let mut all = settings::with_defaults(&queue.definition.attributes);
    for (attribute, value) in [
        ("QueueArn", arn),
        ("ApproximateNumberOfMessages", depth.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string()),
        ("CreatedTimestamp", (queue.definition.created / 1000).to_string()),
        ("LastModifiedTimestamp", (queue.definition.modified / 1000).to_string()),
    ] {
        all.insert(attribute.to_owned(), value);
    }
    for wanted in &input.attribute_names {
        if wanted != "All" && !all.contains_key(wanted) && !settings::is_known(wanted) {
            return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {wanted}.")));
        }
    }
    let wanted = |name: &String| input.attribute_names.iter().any(|wanted| wanted == "All" || wanted == name);
    all.retain(|name, _| wanted(name));
    if all.is_empty() { Ok(json!({})) } else { Ok(json!({ "Attributes": all })) }
}

pub fn set(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?.to_owned();
    if input.attributes.is_empty() {
        return Err(missing("Attribute.Name"));
    }
    let mut definition = store.state.queues.get(&name).ok_or_else(no_queue)?.definition.clone();
    for (attribute, value) in input.attributes {
        if attribute == "FifoQueue" && value != "true" && definition.attributes.contains_key("FifoQueue") {
            let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
            return Err(Refusal::new("InvalidAttributeValue", message));
        }
        if attribute == "FifoQueue" && !definition.attributes.contains_key("FifoQueue") {
            return Err(Refusal::new("InvalidAttributeName", "Unknown Attribute FifoQueue."));
        }
        // An empty value takes a policy away.
        if value.is_empty() {
            definition.attributes.remove(&attribute);
        } else {
            definition.attributes.insert(attribute, value);
        }
    }
    let parsed = settings::parse(&name, &definition.attributes)?;
    check_target(store, &definition.attributes, &parsed)?;
    definition.modified = now;
    store.commit(vec![Record::Queue { name, definition }], now)?;
    Ok(json!({}))
}

pub fn tag(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?.to_owned();
    let mut definition = store.state.queues.get(&name).ok_or_else(no_queue)?.definition.clone();
    definition.tags.extend(input.tags);
    store.commit(vec![Record::Queue { name, definition }], now)?;
    Ok(json!({}))
}

pub fn untag(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let name = existing(store, &input)?.to_owned();
    let mut definition = store.state.queues.get(&name).ok_or_else(no_queue)?.definition.clone();
    definition.tags.retain(|key, _| !input.tag_keys.contains(key));
    store.commit(vec![Record::Queue { name, definition }], now)?;
    Ok(json!({}))
}

pub fn tags(store: &Store, request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let queue = store.state.queues.get(existing(store, &input)?).ok_or_else(no_queue)?;
    if queue.definition.tags.is_empty() {
        return Ok(json!({}));
    }
    Ok(json!({ "Tags": queue.definition.tags }))
}

fn existing<'a>(store: &Store, input: &'a Input) -> Result<&'a str, Refusal> {
    let name = queue_name(&input.queue_url)?;
    if store.state.queues.contains_key(name) { Ok(name) } else { Err(no_queue()) }
}

fn url_of(store: &Store, request: &Request<'_>, name: &str) -> String {
    format!("{}/{}/{name}", request.base, store.place.account)
}

/// One page of the names. They come sorted, so that the last name of a page says where the next page begins.
fn page<'a>(
    store: &Store,
    request: &Request<'_>,
    input: &Input,
    names: impl Iterator<Item = &'a String>,
    field: &str,
) -> Value {
    let most = input.max_results.unwrap_or(PAGE).clamp(1, PAGE);
    let after = input.next_token.as_deref().unwrap_or_default();
    let mut names: Vec<&String> = names.filter(|name| name.as_str() > after).take(most + 1).collect();
    let mut answer = json!({});
    if names.len() > most {
        names.truncate(most);
        // Without MaxResults, SQS lists a thousand and does not mention the others.
        if input.max_results.is_some() {
            answer["NextToken"] = json!(names.last());
        }
    }
    if !names.is_empty() {
        answer[field] = names.iter().map(|name| url_of(store, request, name)).collect();
    }
    answer
}

fn check_target(store: &Store, attributes: &Attributes, parsed: &Settings) -> Result<(), Refusal> {
    match &parsed.redrive {
        Some(redrive) if !store.state.queues.contains_key(&redrive.queue) => {
            let policy = attributes.get("RedrivePolicy").map_or("", String::as_str);
            let message = format!(
                "Value {policy} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
            );
            Err(Refusal::new("InvalidParameterValue", message))
        }
        _ => Ok(()),
    }
}
