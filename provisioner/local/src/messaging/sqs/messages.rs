//! Deleting messages, and changing when they are delivered again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{self, Outcome};
use super::{Request, invalid, missing, queue_name, read};
use crate::messaging::handle;
use crate::messaging::refusal::Refusal;
use crate::messaging::store::{Store, no_queue};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    id: String,
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Batch {
    queue_url: String,
    entries: Vec<Entry>,
}

const LONGEST: i64 = 43_200;

pub fn delete(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let entry: Entry = read(request)?;
    let name = existing(store, &entry.queue_url)?;
    let handle = handle(name, &entry)?;
    let answers = store.delete(name, &[handle], now)?;
    answers.into_iter().collect::<Result<(), Refusal>>()?;
    Ok(json!({}))
}

pub fn delete_batch(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let batch: Batch = read(request)?;
    let name = existing(store, &batch.queue_url)?;
    batch::check("DeleteMessageBatchRequestEntry", batch.entries.iter().map(|entry| entry.id.as_str()))?;
    let mut outcome = Outcome::default();
    let mut ids = Vec::new();
    let mut handles = Vec::new();
    for entry in &batch.entries {
        match handle(name, entry) {
            Ok(handle) => {
                ids.push(&entry.id);
                handles.push(handle);
            }
            Err(refusal) => outcome.add(&entry.id, Err(refusal)),
        }
    }
    for (id, answer) in ids.into_iter().zip(store.delete(name, &handles, now)?) {
        outcome.add(id, answer.map(|()| json!({})));
    }
    Ok(outcome.answer())
}

pub fn hide(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let entry: Entry = read(request)?;
    let name = existing(store, &entry.queue_url)?;
    hide_one(store, name, &entry, now)?;
    Ok(json!({}))
}

pub fn hide_batch(store: &mut Store, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let batch: Batch = read(request)?;
    let name = existing(store, &batch.queue_url)?;
    let ids = batch.entries.iter().map(|entry| entry.id.as_str());
    batch::check("ChangeMessageVisibilityBatchRequestEntry", ids)?;
    let mut outcome = Outcome::default();
    for entry in &batch.entries {
        outcome.add(&entry.id, hide_one(store, name, entry, now).map(|()| json!({})));
    }
    Ok(outcome.answer())
}

fn hide_one(store: &mut Store, name: &str, entry: &Entry, now: u64) -> Result<(), Refusal> {
    let handle = handle(name, entry)?;
    match entry.visibility_timeout {
        None => Err(missing("VisibilityTimeout")),
        Some(seconds @ 0..=LONGEST) => store.hide(name, &handle, seconds as u64, now),
        Some(seconds) => {
            let reason = "VisibilityTimeout must be an integer between 0 and 43200";
            Err(invalid(&seconds.to_string(), "VisibilityTimeout", reason))
        }
    }
}

fn existing<'a>(store: &Store, url: &'a str) -> Result<&'a str, Refusal> {
    let name = queue_name(url)?;
    if store.state.queues.contains_key(name) { Ok(name) } else { Err(no_queue()) }
}

fn handle(queue: &str, entry: &Entry) -> Result<handle::Handle, Refusal> {
    if entry.receipt_handle.is_empty() {
        return Err(missing("ReceiptHandle"));
    }
    handle::parse(queue, &entry.receipt_handle)
}
