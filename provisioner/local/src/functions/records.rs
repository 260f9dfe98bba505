//! Messages of a queue as the event of a function, and which of them its answer is about.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use serde_json::{Map, Value, json};

use super::sqs::Message;

/// The event for a function. The text is what goes over the wire.
pub fn event(messages: &[Message], arn: &str) -> String {
    let region = arn.split(':').nth(3).unwrap_or_default();
    let records: Vec<Value> = messages.iter().map(|message| record(message, arn, region)).collect();
    json!({ "Records": records }).to_string()
}

/// Puts as many messages into each event as fit into it. A message that is alone may be too large for an event.
pub fn events(messages: Vec<Message>, most: usize, largest: usize) -> Vec<Vec<Message>> {
    let mut all: Vec<Vec<Message>> = Vec::new();
    let mut size = 0;
    for message in messages {
        // In JSON a text is up to six times as long. The rest of a record is short.
        let length = json!(message.body).to_string().len() + json!(message.message_attributes).to_string().len() + 2048;
        match all.last_mut() {
            Some(last) if last.len() < most && size + length <= largest => {
                size += length;
                last.push(message);
            }
            _ => {
                size = length;
                all.push(vec![message]);
            }
        }
    }
    all
}

/// The messages that the function has handled. Its answer names those that failed, if the queue's mapping has
/// `ReportBatchItemFailures`. An answer that names none of the messages is about all of them.
pub fn handled<'a>(messages: &'a [Message], answer: &[u8], is_partial: bool) -> Vec<&'a Message> {
    let failures = match serde_json::from_slice::<Value>(answer) {
        Ok(Value::Object(mut told)) if is_partial => told.remove("batchItemFailures").unwrap_or_default(),
        _ => Value::Null,
    };
    let failed = match &failures {
        Value::Null => return messages.iter().collect(),
        Value::Array(failures) => failures.iter().map(|failure| failure.get("itemIdentifier").and_then(Value::as_str)),
        _ => return Vec::new(),
    };
    let mut handled: Vec<&Message> = messages.iter().collect();
    for id in failed {
        match id {
            Some(id) if messages.iter().any(|message| message.message_id == id) => {
                handled.retain(|message| message.message_id != id);
            }
            // An id that is missing, empty or of no message: nobody knows what has failed.
            _ => return Vec::new(),
        }
    }
    handled
}

fn record(message: &Message, arn: &str, region: &str) -> Value {
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.attributes,
        "messageAttributes": message.message_attributes.iter().map(attribute).collect::<Map<_, _>>(),
        "md5OfBody": message.md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    });
    if let Some(md5) = &message.md5_of_attributes {
        record["md5OfMessageAttributes"] = json!(md5);
    }
    record
}

fn attribute((name, received): (&String, &Value)) -> (String, Value) {
    let mut told = json!({ "stringListValues": [], "binaryListValues": [], "dataType": received["DataType"] });
    for (field, of_event) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
        if let Some(value) = received.get(field) {
            told[of_event] = value.clone();
        }
    }
    (name.clone(), told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, body: &str) -> Message {
        serde_json::from_value(json!({ "MessageId": id, "ReceiptHandle": "h", "Body": body, "MD5OfBody": "m" }))
            .unwrap()
    }

    /// The event in AWS's guide, and an attribute as others have recorded it.
    #[test]
    fn the_event_is_that_of_lambda() {
        let received = json!({
            "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "ReceiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "Body": "Test message.", "MD5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "MD5OfMessageAttributes": "00484c68dd1f8e9d4c2b9d1bd8d2d4f2",
            "Attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185" },
            "MessageAttributes": { "myAttribute": { "DataType": "String", "StringValue": "myValue" } },
        });
        let recorded = json!({ "Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "Test message.",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185" },
            "messageAttributes": { "myAttribute": { "stringValue": "myValue", "stringListValues": [],
                "binaryListValues": [], "dataType": "String" } },
            "md5OfMessageAttributes": "00484c68dd1f8e9d4c2b9d1bd8d2d4f2",
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue", "awsRegion": "us-east-2",
        }] });
        let received: Message = serde_json::from_value(received).unwrap();
        let told: Value =
            serde_json::from_str(&event(&[received], "arn:aws:sqs:us-east-2:123456789012:my-queue")).unwrap();
        assert_eq!(told, recorded);
    }

    #[test]
    fn an_answer_names_what_failed() {
        let messages = [message("a", ""), message("b", "")];
        let ids = |answer: &str, is_partial: bool| -> Vec<&str> {
            let handled = handled(&messages, answer.as_bytes(), is_partial);
            handled.iter().map(|message| message.message_id.as_str()).collect()
        };
        for all in ["", "null", "{}", "\"x\"", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, "[1]"] {
            assert_eq!(ids(all, true), ["a", "b"], "{all}");
        }
        assert_eq!(ids(r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, true), ["b"]);
        assert_eq!(ids(r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, false), ["a", "b"]);
        for none in [
            r#"[{"itemIdentifier":"a"},{"itemIdentifier":""}]"#,
            r#"[{"itemIdentifier":null}]"#,
            r#"[{"id":"a"}]"#,
            r#"[{"itemIdentifier":"c"}]"#,
            r#""a""#,
        ] {
            assert!(ids(&format!("{{\"batchItemFailures\":{none}}}"), true).is_empty(), "{none}");
        }
    }

    #[test]
    fn an_event_is_not_too_large() {
        let messages = || (0..5).map(|at| message(&at.to_string(), &"\n".repeat(10_000))).collect::<Vec<_>>();
        let sizes = |most, largest| events(messages(), most, largest).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(10, 1 << 20), [5]);
        assert_eq!(sizes(2, 1 << 20), [2, 2, 1]);
        assert_eq!(sizes(10, 45_000), [2, 2, 1]);
        assert_eq!(sizes(10, 1), [1, 1, 1, 1, 1]);
    }
}
