//! SQS, in its JSON protocol. The query protocol, which SDKs from before 2023 speak, is missing.

mod batch;
mod messages;
mod queues;
mod receive;
mod send;
mod tasks;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::refusal::{INTERNAL, Refusal};
use super::store::no_queue;
use super::{Shared, now};

pub use tasks::{Task, redrive};

/// The context of a request, besides its parameters.
pub struct Request<'a> {
    pub body: &'a [u8],
    /// The address by which the caller knows this service: `http://127.0.0.1:4566`.
    pub base: &'a str,
}

pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// The error's older name, which SDKs prefer: `AWS.SimpleQueueService.NonExistentQueue;Sender`.
    pub query_error: Option<String>,
}

pub async fn answer(shared: &Arc<Shared>, operation: &str, request: &Request<'_>) -> Answer {
    match act(shared, operation, request).await {
        Ok(body) => Answer { status: 200, body, query_error: None },
        Err(refusal) => {
            let (status, fault) = if refusal.code == INTERNAL { (500, "Receiver") } else { (400, "Sender") };
            let body =
                json!({ "__type": format!("com.amazonaws.sqs#{}", shape(refusal.code)), "message": refusal.message });
            Answer { status, body, query_error: Some(format!("{};{fault}", query_code(refusal.code))) }
        }
    }
}

async fn act(shared: &Arc<Shared>, operation: &str, request: &Request<'_>) -> Result<Value, Refusal> {
    if operation == "ReceiveMessage" {
        return receive::receive(shared, request).await;
    }
    let store = &mut *shared.store();
    match operation {
        "SendMessage" => send::send(store, request, now()),
        "SendMessageBatch" => send::send_batch(store, request, now()),
        "DeleteMessage" => messages::delete(store, request, now()),
        "DeleteMessageBatch" => messages::delete_batch(store, request, now()),
        "ChangeMessageVisibility" => messages::hide(store, request, now()),
        "ChangeMessageVisibilityBatch" => messages::hide_batch(store, request, now()),
        "CreateQueue" => queues::create(store, request, now()),
        "DeleteQueue" => queues::delete(store, request, now()),
        "PurgeQueue" => queues::purge(store, request, now()),
        "GetQueueUrl" => queues::url(store, request),
        "ListQueues" => queues::list(store, request),
        "ListDeadLetterSourceQueues" => queues::sources(store, request),
        "GetQueueAttributes" => queues::get(store, request, now()),
        "SetQueueAttributes" => queues::set(store, request, now()),
        "TagQueue" => queues::tag(store, request, now()),
        "UntagQueue" => queues::untag(store, request, now()),
        "ListQueueTags" => queues::tags(store, request),
        "StartMessageMoveTask" => tasks::start(store, &mut shared.tasks(), request, now()),
        "ListMessageMoveTasks" => tasks::list(&shared.tasks(), request),
        "CancelMessageMoveTask" => tasks::cancel(),
        _ => Err(Refusal::new("UnsupportedOperation", format!("{operation} is not done here."))),
    }
}

fn read<T: DeserializeOwned>(request: &Request<'_>) -> Result<T, Refusal> {
    // Some clients send an empty body for no parameters.
    let body = if request.body.is_empty() { b"{}" } else { request.body };
    serde_json::from_slice(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

fn missing(parameter: &str) -> Refusal {
    Refusal::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
}

fn invalid(value: &str, parameter: &str, reason: &str) -> Refusal {
    let message = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    Refusal::new("InvalidParameterValue", message)
}

/// The name in a queue's URL, whatever the host and the account in it are.
fn queue_name(url: &str) -> Result<&str, Refusal> {
    if url.is_empty() {
        return Err(missing("QueueUrl"));
    }
    url.rsplit('/').next().filter(|name| !name.is_empty()).ok_or_else(no_queue)
}

/// The name of an error in the JSON protocol.
fn shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "MissingParameter" => "MissingRequiredParameterException",
        code => code,
    }
}

/// The name of an error in the query protocol. An error that is not listed has the same name in both.
fn query_code(code: &str) -> &str {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists" => "QueueAlreadyExists",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong",
        "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        code => code,
    }
}
