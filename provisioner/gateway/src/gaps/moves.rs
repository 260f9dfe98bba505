//! Moves of messages. Neither emulator moves the messages of a dead-letter queue. The gateway moves a batch each time
//! that it is asked how far the move is.

use crate::account::last_part;
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use crate::server::Shared;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const BATCH: u64 = 10;

/// A move, as ListMessageMoveTasks shows it.
#[derive(Clone, Debug)]
pub(super) struct Move {
    home: String,
    from: String,
    to: String,
    handle: String,
    status: &'static str,
    why: Option<&'static str>,
    moved: u64,
    of: u64,
    started: u64,
}

pub(super) async fn before(shared: &Shared, request: &Request) -> Result<Option<Answer>> {
    match request.action.as_str() {
        "StartMessageMoveTask" => start(shared, request).await.map(Some),
        "ListMessageMoveTasks" => list(shared, request).await.map(Some),
        "CancelMessageMoveTask" => Ok(Some(cancel(shared, request))),
        _ => Ok(None),
    }
}

async fn start(shared: &Shared, request: &Request) -> Result<Answer> {
    let arn = |name| request.text(name).unwrap_or_default().to_owned();
    let (from, to) = (arn("SourceArn"), arn("DestinationArn"));
    if let Some(fault) = refusal(shared, request, &from, &to) {
        return Ok(Answer::error(request, &fault));
    }
    let of = count(shared, request, &from).await?;
    let started = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let handle = format!("move-{started}");
    let mut state = shared.state();
    let fails = state.pace.fails("sqs.move", &last_part(&from));
    let (status, why) = if fails { ("FAILED", Some("AccessDenied")) } else { ("RUNNING", None) };
    let home = request.home.clone();
    state.repairs.moves.push(Move { home, from, to, handle: handle.clone(), status, why, moved: 0, of, started });
    Ok(Answer::json(request, json!({"TaskHandle": handle})))
}

fn refusal(shared: &Shared, request: &Request, from: &str, to: &str) -> Option<Fault> {
    let state = shared.state();
    let queues = || state.account.of_kind(&request.home, "sqs.queue");
    let there = |arn: &str| queues().any(|queue| queue.id == last_part(arn));
    if !there(from) || !there(to) {
        let message = "The resource that you specified for the SourceArn parameter doesn't exist.";
        return Some(fault(404, "ResourceNotFoundException", message));
    }
    if !queues().any(|queue| queue.text("attribute.RedrivePolicy").is_some_and(|text| text.contains(from))) {
        return Some(fault(400, "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."));
    }
    if of(&state.repairs.moves, request, from).is_some_and(|one| one.status == "RUNNING") {
        let message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
        return Some(fault(400, "AWS.SimpleQueueService.UnsupportedOperation", message));
    }
    None
}

async fn list(shared: &Shared, request: &Request) -> Result<Answer> {
    let from = request.text("SourceArn").unwrap_or_default().to_owned();
    let running = of(&shared.state().repairs.moves, request, &from).filter(|one| one.status == "RUNNING").cloned();
    if let Some(before) = running {
        let moved = batch(shared, request, &before).await?;
        let mut state = shared.state();
        let now = state.repairs.moves.iter_mut().find(|one| one.handle == before.handle);
        if let Some(now) = now.filter(|now| now.status == "RUNNING") {
            now.moved += moved;
            if moved == 0 {
                now.status = "COMPLETED";
            }
        }
    }
    let mut state = shared.state();
    let most = usize::try_from(request.number("MaxResults").unwrap_or(1)).unwrap_or(1);
    let mine = state.repairs.moves.iter().rev().filter(|one| one.home == request.home && one.from == from);
    let shown: Vec<Value> = mine.take(most).map(Move::describe).collect();
    // The move has shown itself as cancelling once.
    for one in state.repairs.moves.iter_mut().filter(|one| one.status == "CANCELLING") {
        one.status = "CANCELLED";
    }
    Ok(Answer::json(request, json!({"Results": shown})))
}

fn cancel(shared: &Shared, request: &Request) -> Answer {
    let handle = request.text("TaskHandle").unwrap_or_default();
    let mut state = shared.state();
    match state.repairs.moves.iter_mut().find(|one| one.handle == handle && one.status == "RUNNING") {
        Some(one) => {
            one.status = "CANCELLING";
            Answer::json(request, json!({"ApproximateNumberOfMessagesMoved": one.moved}))
        }
        None => {
            let message = "Only active tasks can be cancelled.";
            Answer::error(request, &fault(400, "AWS.SimpleQueueService.UnsupportedOperation", message))
        }
    }
}

/// The newest move of a queue.
fn of<'a>(moves: &'a [Move], request: &Request, from: &str) -> Option<&'a Move> {
    moves.iter().rev().find(|one| one.home == request.home && one.from == from)
}

impl Move {
    fn describe(&self) -> Value {
        let mut one = json!({
            "Status": self.status, "SourceArn": self.from, "DestinationArn": self.to, "StartedTimestamp": self.started,
            "ApproximateNumberOfMessagesMoved": self.moved, "ApproximateNumberOfMessagesToMove": self.of,
        });
        if self.status == "RUNNING" {
            one["TaskHandle"] = json!(self.handle);
        }
        if let Some(why) = self.why {
            one["FailureReason"] = json!(why);
        }
        one
    }
}

async fn count(shared: &Shared, request: &Request, arn: &str) -> Result<u64> {
    let name = "ApproximateNumberOfMessages";
    let answer = call(shared, request, "GetQueueAttributes", arn, json!({"AttributeNames": [name]})).await?;
    Ok(answer.json_text(&format!("/Attributes/{name}")).and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Moves a batch. Returns how many messages it moved.
async fn batch(shared: &Shared, request: &Request, one: &Move) -> Result<u64> {
    let wanted =
        json!({"MaxNumberOfMessages": BATCH, "WaitTimeSeconds": 0, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]});
    let answer = call(shared, request, "ReceiveMessage", &one.from, wanted).await?;
    let messages = answer.json_body().and_then(|body| body["Messages"].as_array()).cloned().unwrap_or_default();
    for message in &messages {
        let mut sent = json!({"MessageBody": message["Body"]});
        if !message["MessageAttributes"].is_null() {
            sent["MessageAttributes"] = message["MessageAttributes"].clone();
        }
        for name in ["MessageGroupId", "MessageDeduplicationId"] {
            if let Some(text) = message["Attributes"][name].as_str() {
                sent[name] = json!(text);
            }
        }
        call(shared, request, "SendMessage", &one.to, sent).await?;
        let receipt = json!({"ReceiptHandle": message["ReceiptHandle"]});
        call(shared, request, "DeleteMessage", &one.from, receipt).await?;
    }
    Ok(messages.len() as u64)
}

async fn call(shared: &Shared, request: &Request, action: &str, queue: &str, mut body: Value) -> Result<Answer> {
    let name = json!({"QueueName": queue.rsplit(':').next()});
    let found = shared.forward(&request.to_sqs("GetQueueUrl", &name)).await?;
    body["QueueUrl"] = json!(found.json_text("/QueueUrl"));
    shared.forward(&request.to_sqs(action, &body)).await
}
