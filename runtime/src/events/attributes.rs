//! The attributes of a message, in the form of SNS.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Attribute>);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attribute {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(rename = "Value")]
    pub value: String,
}

/// The error for an attribute without a value. SNS would refuse the whole message, in these words.
#[derive(Debug, PartialEq)]
pub struct Empty {
    name: String,
    kind: String,
}

impl Attributes {
    /// The attributes of a message that is to be published. Each has a value, so that SNS takes the message.
    pub fn new<const N: usize>(attributes: [(&str, Attribute); N]) -> Result<Self, Empty> {
        for (name, attribute) in &attributes {
            if attribute.value.is_empty() {
                return Err(Empty { name: (*name).to_owned(), kind: attribute.kind.clone() });
            }
        }
        Ok(attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|attribute| attribute.value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Attribute {
    pub fn text(value: impl Into<String>) -> Self {
        Attribute { kind: "String".to_owned(), value: value.into() }
    }

    pub fn number(value: i64) -> Self {
        Attribute { kind: "Number".to_owned(), value: value.to_string() }
    }
}

impl FromIterator<(String, Attribute)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Attribute)>>(attributes: I) -> Self {
        Attributes(attributes.into_iter().collect())
    }
}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Empty { name, kind } = self;
        write!(
            f,
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{kind}'."
        )
    }
}

impl std::error::Error for Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_without_a_value_is_refused_in_the_words_of_sns() {
        let of = |id: &str| {
            Attributes::new([
                ("MessageAttributeItemId", Attribute::number(7)),
                ("MessageAttributeFactoryId", Attribute::text(id)),
            ])
        };
        let both = of("FF-500293").unwrap();
        assert_eq!(
            (both.get("MessageAttributeItemId"), both.get("MessageAttributeFactoryId")),
            (Some("7"), Some("FF-500293"))
        );
        assert_eq!(
            of("").unwrap_err().to_string(),
            "The message attribute 'MessageAttributeFactoryId' must contain non-empty message attribute value for message \
             attribute type 'String'."
        );
    }

    #[test]
    fn the_json_is_the_one_of_an_envelope() {
        let one = Attributes::new([("a", Attribute::number(-1))]).unwrap();
        let json = r#"{"a":{"Type":"Number","Value":"-1"}}"#;
        assert_eq!(serde_json::to_string(&one).unwrap(), json);
        assert_eq!(serde_json::from_str::<Attributes>(json).unwrap(), one);
    }
}
