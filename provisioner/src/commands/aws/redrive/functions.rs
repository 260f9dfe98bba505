//! `provision redrive STACK FUNCTION`: reads the queue of the events that a function failed at, calls the function with
//! each again, and deletes what it has handled. SQS itself moves messages only out of dead-letter queues of queues (SQS
//! API reference, StartMessageMoveTask), so this works message by message. Ctrl-C ends it after the event under way.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use serde_json::json;

use super::{Found, failed, found, messages, stream, waiting};
use crate::aws::{Cx, Error};
use crate::commands::failed_events::{self, Done, event_of, place_of};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::commands::{agree, aws::run};
use crate::kind::Kind;
use crate::kinds::lambda::{self, FunctionSpec};
use crate::plan::desired::Desired;
use crate::printer::Printer;
use crate::sections::functions::{self, Function};
use crate::sections::logs::FORWARDER;

/// The IAM actions of this file.
pub(crate) const ACTIONS: &[&str] = &["lambda:InvokeFunction", "sqs:ChangeMessageVisibility"];

/// Whether the stack has a function whose failed events are kept. Those of the log forwarder go nowhere again.
pub(crate) fn is_possible(desired: &Desired) -> bool {
    let functions = desired.resources().iter().filter(|one| one.address.kind == lambda::Function::FACTS.name);
    let mut functions = functions.filter(|one| one.address.name != FORWARDER);
    stream::is_possible(desired)
        || functions.any(|one| one.spec.read::<FunctionSpec>().is_ok_and(|spec| spec.on_failure.is_some()))
}

pub(super) async fn redrive(
    cx: &Cx,
    global: &Global,
    (name, function): (&str, &Function),
    printer: Printer,
) -> Result<Exit, Failure> {
    let queue = found(cx, &functions::failed(name), false).await?;
    let count = waiting(cx, &queue, printer).await?;
    let mut done = Done::default();
    if count > 0 {
        let question = format!("Call `{name}` again with about {}? [y/N]", messages(count).replace("message", "event"));
        agree(global, &question, printer)?;
        run::listen_for_stop(cx.stop.clone(), printer);
        done = all(cx, (name, function), &queue).await?;
    }
    tell(cx, global, name, &queue, &done, printer)
}

/// Calls the function with every event, each once. Events that it fails at stay hidden until the end, so that none comes
/// a second time.
async fn all(cx: &Cx, function: (&str, &Function), queue: &Found) -> Result<Done, Failure> {
    let mut kept = Vec::new();
    let done = each(cx, function, queue, &mut kept).await;
    for message in &kept {
        // Otherwise the message comes back by itself.
        let call = cx.sqs.change_message_visibility().queue_url(&queue.url).visibility_timeout(0);
        let _ = call.receipt_handle(message.receipt_handle().unwrap_or_default()).send().await;
    }
    done
}

async fn each(
    cx: &Cx,
    (name, function): (&str, &Function),
    queue: &Found,
    kept: &mut Vec<Message>,
) -> Result<Done, Failure> {
    let called = cx.scope.name(name, 64);
    let within = Duration::from_secs(function.timeout_seconds() + 10);
    let mut done = Done::default();
    let reading = format!("reading the events that `{name}` failed at");
    let mut seen = BTreeSet::new();
    while cx.stop.reason().is_none() {
        // One at a time: others stay where everybody can take them.
        let call = cx.sqs.receive_message().queue_url(&queue.url).max_number_of_messages(1);
        let answer = call.visibility_timeout(HIDDEN_SECONDS).wait_time_seconds(1).send().await;
        let received = answer.map_err(Error::from).map_err(failed(&reading))?.messages;
        let Some(message) = received.into_iter().flatten().next() else { break };
        if !seen.insert(message.message_id.clone()) {
            // An event that failed has come back: all others have been tried.
            kept.push(message);
            break;
        }
        let body = message.body().unwrap_or_default();
        let (event, gone) = match place_of(body) {
            None => (Some(event_of(body)), None),
            Some(place) => {
                let read = stream::read_again(cx, &place).await;
                if read.is_err() {
                    kept.push(message.clone());
                }
                let (records, gone) = read.map_err(failed("reading the changes of the table again"))?;
                let event = (!records.is_empty()).then(|| json!({"Records": records}));
                (event, (gone > 0).then(|| place.told(gone)))
            }
        };
        let answer = match &event {
            Some(event) => lambda::call(cx, &called, Some(event), within).await,
            None => Ok(None),
        };
        let handle = message.receipt_handle.clone().unwrap_or_default();
        if !matches!(answer, Ok(None)) {
            kept.push(message);
        }
        if let Some(failure) = answer.map_err(failed(&format!("calling `{name}`")))? {
            (done.failed, done.why) = (done.failed + 1, Some(failure.reason));
            continue;
        }
        let call = cx.sqs.delete_message().queue_url(&queue.url).receipt_handle(handle);
        call.send().await.map_err(Error::from).map_err(failed("deleting an event that was handled"))?;
        done.handled += usize::from(event.is_some());
        done.gone.extend(gone);
    }
    Ok(done)
}

/// For how long an event is hidden, in seconds. After a run that was cut off, the events come back after that.
const HIDDEN_SECONDS: i32 = 3600;

fn tell(cx: &Cx, global: &Global, name: &str, queue: &Found, done: &Done, printer: Printer) -> Result<Exit, Failure> {
    let Done { handled, failed, why, gone } = done;
    if global.json {
        printer.data(json!({
            "version": 1, "stack": cx.scope.stack, "env": cx.scope.env, "function": name, "from": queue.arn,
            "handled": handled, "failed": failed, "why": why, "gone": gone,
        }));
    }
    failed_events::tell(name, done, cx.stop.reason().is_some(), printer)
}
