//! The envelope that a queue gets if the delivery is not raw.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use crate::messaging::attribute::{Content, MessageAttributes};

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
        unsubscribe_url: format!("http://localhost/?Action=Unsubscribe&SubscriptionArn={subscription}"),
        message_attributes: attributes.collect(),
    };
    serde_json::to_string(&envelope).expect("strings and nothing else")
}

/// The time in the form of SNS, which always has three digits of a second.
fn timestamp(at: u64) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = time.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", time.date())
}
