//! Reads the event in a message.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::events::envelope::Envelope;

/// The parts of an event that the feed needs. An event of the system before us has no version: it is the first.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub reservation_id: i32,
    #[serde(default = "first")]
    pub version: u32,
    #[serde(default = "ok")]
    pub action: String,
    /// The time of the event, in milliseconds since 1970.
    pub dtm: Option<u64>,
    pub event: Option<String>,
    pub reservation: Option<Value>,
    #[serde(default)]
    pub traceparent: String,
}

/// Reads an event. An error says where the mistake is, and quotes nothing of the message.
pub fn parse(envelope: &Envelope) -> anyhow::Result<Event> {
    let event = json(&envelope.message);
    let event = if envelope.is_wrapped { event.context("the message in the envelope") } else { event }?;
    ensure!(event.reservation_id > 0, "the reservation id is not positive");
    ensure!(event.version > 0, "the version is 0");
    ensure!(event.action.chars().count() <= LONGEST_ACTION, "the action is longer than {LONGEST_ACTION} characters");
    Ok(event)
}

const LONGEST_ACTION: usize = 200;

fn json(text: &str) -> anyhow::Result<Event> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        anyhow::anyhow!("not an event at line {line} column {column}")
    })
}

fn first() -> u32 {
    1
}

fn ok() -> String {
    "Reservations: OK".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::attributes::Attributes;
    use crate::events::envelope;

    fn parse(body: &str) -> anyhow::Result<Event> {
        super::parse(&envelope::parse(body, Attributes::default(), "m")?)
    }

    #[test]
    fn with_and_without_the_envelope_it_is_the_same_event() {
        let event = json!({ "reservationId": 7, "version": 2, "action": "Reservations: Changed", "dtm": 5 });
        let envelope = json!({ "Type": "Notification", "MessageId": "m", "Message": event.to_string() });
        let parsed = parse(&event.to_string()).unwrap();
        assert_eq!((parsed.reservation_id, parsed.version, parsed.dtm), (7, 2, Some(5)));
        assert_eq!(parse(&envelope.to_string()).unwrap(), parsed);
    }

    #[test]
    fn the_message_of_the_system_before_us_is_understood() {
        let parsed = parse(r#"{"reservationId":1,"dtm":1654560000000,"action":"Reservations: OK"}"#).unwrap();
        assert_eq!((parsed.version, parsed.action.as_str()), (1, "Reservations: OK"));
    }

    #[test]
    fn what_is_no_event_is_an_error_that_quotes_nothing() {
        let deep = "[".repeat(100_000);
        for (body, said) in [
            ("", "not an event at line 1 column 0"),
            ("hunter2", "not an event at line 1 column 1"),
            (deep.as_str(), "not an event at line 1 column"),
            (r#"{"reservationId":"hunter2"}"#, "not an event at line 1 column 26"),
            (r#"{"reservationId":0}"#, "the reservation id is not positive"),
            (r#"{"reservationId":1,"version":0}"#, "the version is 0"),
            (r#"{"Type":"SubscriptionConfirmation","Message":"x"}"#, "not a notification of SNS"),
            (r#"{"Type":"Notification","Message":"hunter2"}"#, "the message in the envelope: not an event"),
        ] {
            let error = format!("{:#}", parse(body).unwrap_err());
            assert!(error.starts_with(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
