//! The messages of the queue `<function>-failed`, and the events that they were.
//!
//! - The function failed: Lambda's record of the event, with the event in it (Lambda developer guide, "Capturing records
//!   of Lambda asynchronous invocations").
//! - SNS could not hand a message over: the message as SNS delivers it.
//! - A rule could not hand its event over: the event itself.

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
}

/// Says how a run ended, and gives that as the result of the command.
pub(crate) fn tell(name: &str, done: &Done, stopped: bool, printer: Printer) -> Result<Exit, Failure> {
    let Done { handled, failed, why } = done;
    let events = |count: usize| if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
    if *failed > 0 {
        let why = why.as_deref().unwrap_or("the function does not say why");
        let what = format!("`{name}` handled {} and failed at {failed} again, the last time: {why}", events(*handled));
        return Err(Failure::of(what).hint("mend the cause, then run the same command again: these events are kept"));
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
        Some(function) if !function.is_asynchronous() => {
            let hint = match function.queue() {
                Some(queue) => format!("its messages are those of its queue: `redrive … {queue}`"),
                None => "whoever sends it a request gets the failure".to_owned(),
            };
            let what = format!("`{name}` has no queue of failed events: neither a topic nor a schedule calls it");
            Err(Failure::usage(what).hint(hint))
        }
        found => Ok(found),
    }
}

/// The event that a message was made of. A message that is none of the three forms is the event itself.
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
