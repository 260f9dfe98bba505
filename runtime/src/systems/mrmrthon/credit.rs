//! The message of a credit, from the record on its whole way.

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value as Json;

use super::values::{self, MOST_POINTS};
use crate::aws::dynamodb::Item;
use crate::http::idempotency::is_key;

#[derive(Debug, PartialEq, Serialize)]
pub struct Credit {
    pub user_id: u64,
    pub marathon_id: u64,
    pub marathon_point: u32,
    /// The id of the record, by which it is known again. Publishers before this one gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
}

impl Credit {
    /// Reads a message. An error quotes nothing of it.
    pub fn parse(message: &str) -> anyhow::Result<Self> {
        let message: Json = serde_json::from_str(message).ok().context("the message is not JSON")?;
        let number = |name: &str| {
            let number = values::whole(&message[name]).filter(|number| *number <= values::LARGEST_ID);
            number.with_context(|| format!("the message has no {name} that is a whole number"))
        };
        let point = number("marathon_point")?;
        Ok(Credit {
            user_id: number("user_id")?,
            marathon_id: number("marathon_id")?,
            marathon_point: points(point).with_context(|| format!("marathon_point is more than {MOST_POINTS}"))?,
            record_id: match &message["record_id"] {
                Json::Null => None,
                _ => Some(number("record_id")?),
            },
        })
    }

    /// The name by which the credit is known again. A publisher that gives no id publishes once, so the id of the message
    /// will do.
    pub fn event(&self, message_id: &str) -> anyhow::Result<String> {
        if let Some(record) = self.record_id {
            return Ok(format!("record:{record}"));
        }
        ensure!(is_key(message_id) && message_id.len() <= 200, "the message has neither a record_id nor an id");
        Ok(format!("message:{message_id}"))
    }
}

/// What a marathon is worth. `None` if that is not a whole number of points.
pub fn worth(marathon: &Item) -> Option<u32> {
    points(marathon.get("point")?.whole()?)
}

fn points(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|points| *points <= MOST_POINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_members_of_the_contract_and_the_record() {
        let credit = Credit { user_id: 1, marathon_id: 2, marathon_point: 20, record_id: Some(3) };
        let text = serde_json::to_string(&credit).unwrap();
        assert_eq!(text, r#"{"user_id":1,"marathon_id":2,"marathon_point":20,"record_id":3}"#);
        assert_eq!(Credit::parse(&text).unwrap(), credit);
        assert_eq!(credit.event("m").unwrap(), "record:3");
        let old = Credit::parse(r#"{"user_id":1,"marathon_id":2,"marathon_point":20}"#).unwrap();
        assert_eq!((old.record_id, old.event("m").unwrap().as_str()), (None, "message:m"));
        assert!(old.event("").is_err());
    }

    #[test]
    fn what_is_no_credit_is_an_error_that_quotes_nothing() {
        for (message, expected) in [
            ("hunter2", "the message is not JSON"),
            ("[]", "the message has no marathon_point that is a whole number"),
            (r#"{"user_id":1,"marathon_id":2}"#, "the message has no marathon_point that is a whole number"),
            (
                r#"{"user_id":1,"marathon_id":2,"marathon_point":-20}"#,
                "the message has no marathon_point that is a whole number",
            ),
            (r#"{"user_id":1,"marathon_id":2,"marathon_point":1000001}"#, "marathon_point is more than 1000000"),
            (
                r#"{"user_id":"hunter2","marathon_id":2,"marathon_point":20}"#,
                "the message has no user_id that is a whole number",
            ),
            (
                r#"{"user_id":1,"marathon_id":2.5,"marathon_point":20}"#,
                "the message has no marathon_id that is a whole number",
            ),
            (
                r#"{"user_id":1,"marathon_id":2,"marathon_point":20,"record_id":"x"}"#,
                "the message has no record_id that is a whole number",
            ),
        ] {
            assert_eq!(Credit::parse(message).unwrap_err().to_string(), expected, "{message}");
        }
    }
}
