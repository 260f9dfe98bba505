//! Message attributes. They are the same in SQS and SNS, except for the error about a wrong one.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::hex;

pub type MessageAttributes = BTreeMap<String, Attribute>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, and after a dot any text of the sender.
    #[serde(rename = "type")]
    pub kind: String,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Text(String),
    /// The bytes in base64, as they come and go. They were checked when they came.
    Binary(String),
}

impl Attribute {
    pub fn text(kind: &str, value: &str) -> Self {
        Attribute { kind: kind.to_owned(), content: Content::Text(value.to_owned()) }
    }

    /// The bytes that count against the limit of a message, besides the name.
    pub fn size(&self) -> usize {
        self.kind.len() + self.bytes().len()
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::Binary(base64) => STANDARD.decode(base64).unwrap_or_default(),
        }
    }
}

/// The MD5 of a message's body.
pub fn md5_of(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// The MD5 of attributes, as the SDKs compute it to check ours. `None` if there are no attributes.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>) -> Option<String> {
    let mut sorted: Vec<(&String, &Attribute)> = attributes.into_iter().collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_by_key(|(name, _)| *name);
    let mut told = Vec::new();
    for (name, attribute) in sorted {
        put(&mut told, name.as_bytes());
        put(&mut told, attribute.kind.as_bytes());
        told.push(match attribute.content {
            Content::Text(_) => 1,
            Content::Binary(_) => 2,
        });
        put(&mut told, &attribute.bytes());
    }
    Some(hex(&Md5::digest(&told)))
}

/// Whether SQS and SNS take the text as a number.
pub fn is_number(text: &str) -> bool {
    // `parse` takes "inf" and "nan" too.
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

pub fn is_base64(text: &str) -> bool {
    STANDARD.decode(text).is_ok()
}

fn put(told: &mut Vec<u8>, bytes: &[u8]) {
    told.extend((bytes.len() as u32).to_be_bytes());
    told.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected digests were computed with another implementation, in Python.
    #[test]
    fn digests_are_those_that_the_sdks_compute() {
        assert_eq!(md5_of("hello"), "5d41402abc4b2a76b9719d911017c592");
        let attributes = MessageAttributes::from([
            ("trace".to_owned(), Attribute::text("String", "00-ab-cd-01")),
            ("count".to_owned(), Attribute::text("Number.int", "7")),
            (
                "raw".to_owned(),
                Attribute { kind: "Binary".to_owned(), content: Content::Binary("AAEC/w==".to_owned()) },
            ),
        ]);
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("9fb428d46c2ac7368ba28c88fe5dc8d5"));
        assert_eq!(md5_of_attributes(&MessageAttributes::new()), None);
    }

    #[test]
    fn numbers_are_numbers() {
        for number in ["0", "-1", "3.25", "1e3", "+7"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "inf", "NaN", "0x10", "1,5", "eins", "-"] {
            assert!(!is_number(other), "{other}");
        }
    }
}
