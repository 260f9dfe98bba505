//! Move tasks, which move dead letters back to where they came from. They are done at once, so that there is never one
//! to cancel.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Request, missing, read};
use crate::messaging::arn;
use crate::messaging::queue::Queue;
use crate::messaging::record::Record;
use crate::messaging::refusal::Refusal;
use crate::messaging::store::{Store, new_id};

/// A task that was started since the service was.
pub struct Task {
    source: String,
    destination: Option<String>,
    pub moved: usize,
    wanted: usize,
    started: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    source_arn: String,
    destination_arn: Option<String>,
    max_results: Option<usize>,
}

pub fn start(store: &mut Store, tasks: &mut Vec<Task>, request: &Request<'_>, now: u64) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    if input.source_arn.is_empty() {
        return Err(missing("SourceArn"));
    }
    let task = redrive(store, &input.source_arn, input.destination_arn, now)?;
    tasks.push(task);
    Ok(json!({ "TaskHandle": new_id() }))
}

/// Moves messages from a dead-letter queue to one queue, or each message to the queue that it came from.
pub fn redrive(store: &mut Store, source: &str, destination: Option<String>, now: u64) -> Result<Task, Refusal> {
    let no_resource = |what: &str| {
        let message = format!("The resource that you specified for the {what} parameter doesn't exist.");
        Refusal::new("ResourceNotFoundException", message)
    };
    let from = arn::queue_name(source).unwrap_or_default();
    if !store.state.queues.contains_key(from) {
        return Err(no_resource("SourceArn"));
    }
    let is_target = |queue: &Queue| queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.queue == from);
    if !store.state.queues.values().any(is_target) {
        return Err(Refusal::new("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."));
    }
    let to = destination.as_deref().map(|arn| arn::queue_name(arn).unwrap_or_default());
    if to.is_some_and(|to| !store.state.queues.contains_key(to)) {
        return Err(no_resource("DestinationArn"));
    }

    let ready: Vec<_> = store.queue(from, now)?.ready().cloned().collect();
    let mut records = Vec::new();
    let mut gone = Vec::new();
    for message in &ready {
        let own = message.source.as_deref().and_then(arn::queue_name);
        let Some(to) = to.or(own).filter(|to| store.state.queues.contains_key(*to)) else {
            continue;
        };
        gone.push(message.order);
        let mut moved = message.clone();
        // To SQS, the moved message is a new message.
        moved.id = new_id();
        moved.order = store.next_order(&records);
        moved.sent = now;
        moved.visible = now;
        moved.receives = 0;
        moved.first_received = 0;
        moved.source = None;
        records.push(Record::Sent { queue: to.to_owned(), message: moved });
    }
    let task = Task { source: source.to_owned(), moved: gone.len(), wanted: ready.len(), started: now, destination };
    if !gone.is_empty() {
        records.push(Record::Gone { queue: from.to_owned(), orders: gone });
    }
    store.commit(records, now)?;
    Ok(task)
}

pub fn list(tasks: &[Task], request: &Request<'_>) -> Result<Value, Refusal> {
    let input: Input = read(request)?;
    let most = input.max_results.unwrap_or(1).clamp(1, 10);
    let own = tasks.iter().rev().filter(|task| task.source == input.source_arn).take(most);
    Ok(json!({ "Results": own.map(tell).collect::<Vec<_>>() }))
}

pub fn cancel() -> Result<Value, Refusal> {
    Err(Refusal::new("ResourceNotFoundException", "Task does not exist."))
}

fn tell(task: &Task) -> Value {
    let Task { source, destination, moved, wanted, started } = task;
    let mut told = json!({
        "Status": if moved == wanted { "COMPLETED" } else { "FAILED" },
        "SourceArn": source,
        "ApproximateNumberOfMessagesMoved": moved,
        "ApproximateNumberOfMessagesToMove": wanted,
        "StartedTimestamp": started,
    });
    if let Some(destination) = destination {
        told["DestinationArn"] = json!(destination);
    }
    if moved != wanted {
        told["FailureReason"] = json!("CouldNotDetermineMessageSource");
    }
    told
}
