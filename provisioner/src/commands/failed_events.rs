//! The messages of the queue `<function>-failed`, and the events that they were.
//!
//! - The function failed: Lambda's record of the event, with the event in it (Lambda developer guide, "Capturing records
//!   of Lambda asynchronous invocations").
//! - SNS could not hand a message over: the message as SNS delivers it.
//! - A rule could not hand its event over: the event itself.
//! - The function failed at changes of a table: their places in the table's stream, which the changes are read from again
//!   (Lambda developer guide, "Retaining records of failed invocations" of DynamoDB).

use serde_json::{Value, json};

use crate::commands::failure::{Exit, Failure};
use crate::printer::Printer;
use crate::sections::Stack;
use crate::sections::functions::Function;
use crate::sections::words::Name;

/// How a run over the queue ended.
#[derive(Default)]
pub(crate) struct Done {
    /// The events that the function has handled now. Their messages are deleted.
    pub(crate) handled: usize,
    /// The events that it failed at again. Their messages stay.
    pub(crate) failed: usize,
    /// Why the last of these failed.
    pub(crate) why: Option<String>,
    /// The changes of tables that the streams have no more. Their messages are deleted too: nothing can bring them back.
    pub(crate) gone: Vec<String>,
}

/// Where changes of a table are in its stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    /// The ARN of the stream.
    pub(crate) stream: String,
    pub(crate) shard: String,
    /// The sequence numbers of the first and the last change.
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) count: usize,
}

impl Place {
    /// Names the changes that the stream has no more.
    pub(crate) fn told(&self, gone: usize) -> String {
        let Place { stream, shard, first, last, count } = self;
        format!("{gone} of {count} changes from {first} to {last} of shard {shard} of {stream}")
    }
}

/// Says how a run ended, and gives that as the result of the command.
pub(crate) fn tell(name: &str, done: &Done, stopped: bool, printer: Printer) -> Result<Exit, Failure> {
    let Done { handled, failed, why, gone } = done;
    let events = |count: usize| if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
    if *failed > 0 {
        let why = why.as_deref().unwrap_or("the function does not say why");
        let what = format!("`{name}` handled {} and failed at {failed} again, the last time: {why}", events(*handled));
        return Err(Failure::of(what).hint("mend the cause, then run the same command again: these events are kept"));
    }
    if !gone.is_empty() {
        let what =
            format!("`{name}` handled {}, and its table's stream has no more: {}", events(*handled), gone.join("; "));
        return Err(Failure::of(what)
            .hint("a stream keeps a change for 24 hours: compare the table with what should follow from it"));
    }
    match handled {
        _ if stopped => {
            printer.talk(format!("interrupted: `{name}` handled {}, the others are kept", events(*handled)));
            return Ok(Exit::Interrupted);
        }
        0 => printer.talk(format!("there is no event to call `{name}` again with")),
        _ => printer.talk(format!("{}: `{name}` handled {}", printer.green("done"), events(*handled))),
    }
    Ok(Exit::Done)
}

/// The function of this name whose failed events are kept. `None` if it is not a function.
pub(crate) fn function<'a>(stack: &'a Stack, name: &str) -> Result<Option<&'a Function>, Failure> {
    match stack.functions.get(&Name(name.to_owned())) {
        Some(function) if !function.keeps_failures() => {
            let hint = match function.queue() {
                Some(queue) => format!("its messages are those of its queue: `redrive … {queue}`"),
                None => "whoever sends it a request gets the failure".to_owned(),
            };
            let what =
                format!("`{name}` has no queue of failed events: neither a topic nor a table nor a schedule calls it");
            Err(Failure::usage(what).hint(hint))
        }
        found => Ok(found),
    }
}

/// The place in a stream, if the message tells of changes of a table.
pub(crate) fn place_of(body: &str) -> Option<Place> {
    let told: Value = serde_json::from_str(body).ok()?;
    let batch = told.get("DDBStreamBatchInfo")?;
    let text = |member: &str| batch[member].as_str().map(str::to_owned);
    Some(Place {
        stream: text("streamArn")?,
        shard: text("shardId")?,
        first: text("startSequenceNumber")?,
        last: text("endSequenceNumber")?,
        count: batch["batchSize"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
    })
}

/// The event that a message was made of. A message that is none of the forms above is the event itself.
pub(crate) fn event_of(body: &str) -> Value {
    let text = || Value::String(body.to_owned());
    let mut told: Value = serde_json::from_str(body).unwrap_or_else(|_| text());
    match &told {
        _ if told["requestContext"].is_object() && !told["requestPayload"].is_null() => told["requestPayload"].take(),
        _ if told["Type"] == "Notification" => json!({"Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": told["TopicArn"], "Sns": told,
        }]}),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Lambda developer guide, "Retaining records of failed invocations" of DynamoDB.
    #[test]
    fn a_message_about_changes_of_a_table_names_their_place() {
        let record = json!({
            "requestContext": {
                "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0", "timestamp": "2019-11-14T00:13:49.717Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362", "endSequenceNumber": "800000000003126276362",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:13:19Z", "batchSize": 1,
                "streamArn": "arn:aws:dynamodb:us-east-2:123456789012:table/mytable/stream/2019-11-14T00:04:06.388",
            },
        });
        let place = place_of(&record.to_string()).expect("a place");
        assert_eq!(
            place.told(1),
            "1 of 1 changes from 800000000003126276362 to 800000000003126276362 of shard \
             shardId-00000001573689847184-864758bb of \
             arn:aws:dynamodb:us-east-2:123456789012:table/mytable/stream/2019-11-14T00:04:06.388"
        );
        assert_eq!(place_of("{}"), None);
    }

    #[test]
    fn each_message_is_the_event_that_it_was() {
        let event = json!({"Records": [{"EventSource": "aws:sns"}]});
        let record = json!({
            "version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event,
            "responsePayload": {"errorMessage": "no"},
        });
        assert_eq!(event_of(&record.to_string()), event);
        let notification = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "m"});
        let delivered = event_of(&notification.to_string());
        assert_eq!(delivered["Records"][0]["Sns"]["Message"], "m");
        assert_eq!(delivered["Records"][0]["EventSource"], "aws:sns");
        let scheduled = json!({"source": "aws.events", "detail": {}});
        assert_eq!(event_of(&scheduled.to_string()), scheduled);
        assert_eq!(event_of("plain"), json!("plain"));
    }
}
