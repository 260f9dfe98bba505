//! The envelope that a queue gets if the delivery is not raw.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::messaging::attribute::{Attribute, Content, MessageAttributes};

pub struct Notification<'a> {
    pub id: &'a str,
    pub topic: &'a str,
    pub subscription: &'a str,
    pub subject: Option<&'a str>,
    pub message: &'a str,
    pub attributes: &'a MessageAttributes,
    /// The time in milliseconds since 1970.
    pub at: u64,
    /// The sequence number of a FIFO topic.
    pub sequence: Option<String>,
}

/// The fields in the order that SNS has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    r#type: &'static str,
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    topic_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    message: &'a str,
    timestamp: String,
    signature_version: &'static str,
    /// An empty signature. Nothing signs here, and a program that checks signatures must not be fooled.
    signature: &'static str,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: &'static str,
    #[serde(rename = "UnsubscribeURL")]
    unsubscribe_url: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, EnvelopeAttribute<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnvelopeAttribute<'a> {
    r#type: &'a str,
    value: &'a str,
}

pub fn wrap(notification: &Notification<'_>) -> String {
    let Notification { id, topic, subscription, subject, message, attributes, at, sequence } = notification;
    let attributes = attributes.iter().map(|(name, attribute)| {
        let (Content::Text(value) | Content::Binary(value)) = &attribute.content;
        (name.as_str(), EnvelopeAttribute { r#type: &attribute.kind, value })
    });
    let envelope = Envelope {
        r#type: "Notification",
        message_id: id,
        sequence_number: sequence.as_deref(),
        topic_arn: topic,
        subject: *subject,
        message,
        timestamp: timestamp(*at),
        signature_version: "1",
        signature: "",
        signing_cert_url: "",
        unsubscribe_url: unsubscribe(subscription),
        message_attributes: attributes.collect(),
    };
    serde_json::to_string(&envelope).expect("strings and nothing else")
}

/// The event that a function gets. <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>
pub fn event(notification: &Notification<'_>) -> String {
    let Notification { id, topic, subscription, subject, message, attributes, at, sequence: _ } = notification;
    let attribute = |(name, attribute): (&String, &Attribute)| {
        let (Content::Text(value) | Content::Binary(value)) = &attribute.content;
        (name.clone(), json!({ "Type": attribute.kind, "Value": value }))
    };
    let attributes: Map<String, Value> = attributes.iter().map(attribute).collect();
    let sns = json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": topic,
        "Subject": subject,
        "Message": message,
        "Timestamp": timestamp(*at),
        "SignatureVersion": "1",
        // Nothing signs here.
        "Signature": "",
        "SigningCertUrl": "",
        "UnsubscribeUrl": unsubscribe(subscription),
        "MessageAttributes": attributes,
    });
    let record = json!({
        "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription, "Sns": sns,
    });
    json!({ "Records": [record] }).to_string()
}

fn unsubscribe(subscription: &str) -> String {
    format!("http://localhost/?Action=Unsubscribe&SubscriptionArn={subscription}")
}

/// The time in the form of SNS, which always has three digits of a second.
fn timestamp(at: u64) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = time.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", time.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event in AWS's guide, without what AWS signs.
    #[test]
    fn the_event_is_that_of_lambda() {
        let attributes = MessageAttributes::from([
            ("Test".to_owned(), Attribute::text("String", "TestString")),
            ("TestBinary".to_owned(), Attribute { kind: "Binary".into(), content: Content::Binary("AAEC".into()) }),
        ]);
        let subscription = "arn:aws:sns:us-east-2:123456789012:sns-lambda:21be56ed-a058-49f5-8c98-aedd2564c486";
        let notification = Notification {
            id: "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            topic: "arn:aws:sns:us-east-2:123456789012:sns-lambda",
            subscription,
            subject: Some("TestInvoke"),
            message: "Hello from SNS!",
            attributes: &attributes,
            at: 1_546_433_107_000,
            sequence: None,
        };
        let recorded = json!({ "Records": [{
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "EventSource": "aws:sns",
            "Sns": {
                "SignatureVersion": "1",
                "Timestamp": "2019-01-02T12:45:07.000Z",
                "Signature": "",
                "SigningCertUrl": "",
                "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                "Message": "Hello from SNS!",
                "MessageAttributes": {
                    "Test": { "Type": "String", "Value": "TestString" },
                    "TestBinary": { "Type": "Binary", "Value": "AAEC" },
                },
                "Type": "Notification",
                "UnsubscribeUrl": format!("http://localhost/?Action=Unsubscribe&SubscriptionArn={subscription}"),
                "TopicArn": "arn:aws:sns:us-east-2:123456789012:sns-lambda",
                "Subject": "TestInvoke",
            },
        }] });
        assert_eq!(serde_json::from_str::<Value>(&event(&notification)).unwrap(), recorded);
        let plain = Notification { subject: None, attributes: &MessageAttributes::new(), ..notification };
        let sns = serde_json::from_str::<Value>(&event(&plain)).unwrap()["Records"][0]["Sns"].clone();
        assert_eq!((&sns["Subject"], &sns["MessageAttributes"]), (&Value::Null, &json!({})));
    }
}
