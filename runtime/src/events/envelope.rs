//! A message of a queue as its handler sees it. It may have come in the envelope that SNS puts around it, raw from a
//! topic, or straight to the queue. <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use anyhow::ensure;
use serde::Deserialize;

use super::attributes::Attributes;

#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub message: String,
    /// Whether the message came in an envelope of SNS.
    pub is_wrapped: bool,
    pub subject: Option<String>,
    /// The attributes of the envelope. Without an envelope, the attributes of the queue's message.
    pub attributes: Attributes,
    /// The id that SNS gives the message. Without an envelope, the id of the queue's message. An event that is
    /// published twice has two ids.
    pub message_id: String,
    /// The ARN of the topic, if the envelope has it.
    pub topic: Option<String>,
}

/// Reads the parts of a queue's message: its body, its own attributes, its own id. An error quotes nothing of the
/// message.
pub fn parse(body: &str, attributes: Attributes, message_id: &str) -> anyhow::Result<Envelope> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(rename = "Type")]
        kind: String,
        message: String,
        message_id: Option<String>,
        topic_arn: Option<String>,
        subject: Option<String>,
        #[serde(default)]
        message_attributes: Attributes,
    }
    let Ok(wrapped) = serde_json::from_str::<Wrapped>(body) else {
        return Ok(Envelope {
            message: body.to_owned(),
            is_wrapped: false,
            subject: None,
            attributes,
            message_id: message_id.to_owned(),
            topic: None,
        });
    };
    ensure!(wrapped.kind == "Notification", "not a notification of SNS");
    Ok(Envelope {
        message: wrapped.message,
        is_wrapped: true,
        subject: wrapped.subject,
        attributes: wrapped.message_attributes,
        message_id: wrapped.message_id.unwrap_or_else(|| message_id.to_owned()),
        topic: wrapped.topic_arn,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::attributes::Attribute;
    use super::*;

    #[test]
    fn an_envelope_of_sns_is_opened() {
        let body = json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
            "Subject": "Item2 재고 부족", "Message": "{}", "Timestamp": "2023-05-18T09:46:48.000Z",
            "MessageAttributes": { "MessageAttributeItemId": { "Type": "Number", "Value": "2" } },
        });
        let envelope = parse(&body.to_string(), Attributes::default(), "q").unwrap();
        assert_eq!((envelope.message.as_str(), envelope.subject.as_deref()), ("{}", Some("Item2 재고 부족")));
        assert_eq!((envelope.message_id.as_str(), envelope.is_wrapped), ("m", true));
        assert_eq!(envelope.topic.as_deref(), Some("arn:aws:sns:eu-west-1:123456789012:orders"));
        assert_eq!(envelope.attributes.get("MessageAttributeItemId"), Some("2"));
    }

    #[test]
    fn a_message_without_an_envelope_is_the_body_with_the_attributes_of_the_queue() {
        let own = Attributes::new([("MessageAttributeItemId", Attribute::number(2))]).unwrap();
        for body in ["plain", "", "{\"Message\":5}", &"[".repeat(100_000)] {
            let envelope = parse(body, own.clone(), "q").unwrap();
            assert_eq!((envelope.message.as_str(), envelope.message_id.as_str()), (body, "q"));
            assert_eq!((envelope.is_wrapped, &envelope.attributes), (false, &own));
        }
    }

    #[test]
    fn what_else_sns_sends_is_an_error_that_quotes_nothing() {
        let body = r#"{"Type":"SubscriptionConfirmation","Message":"hunter2","Token":"hunter2"}"#;
        let error = parse(body, Attributes::default(), "q").unwrap_err();
        assert_eq!(format!("{error:#}"), "not a notification of SNS");
    }
}
