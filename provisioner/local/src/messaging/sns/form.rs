//! A request of the query protocol: a form whose names are paths.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use std::collections::BTreeMap;

use crate::messaging::attribute::{self, Attribute, Content, MessageAttributes};
use crate::messaging::config::Attributes;
use crate::messaging::refusal::Refusal;

#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    pub fn parse(body: &[u8]) -> Form {
        Form(form_urlencoded::parse(body).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| super::invalid(name))
    }

    /// The parts of a list, `prefix.1.…`, `prefix.2.…`, in the order of their numbers. Their names have no prefix and
    /// number any more.
    pub fn list(&self, prefix: &str) -> Vec<Form> {
        let mut found: BTreeMap<u32, Form> = BTreeMap::new();
        for (name, value) in &self.0 {
            let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
            let Some((number, rest)) = rest.map(|rest| rest.split_once('.').unwrap_or((rest, ""))) else {
                continue;
            };
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().0.insert(rest.to_owned(), value.clone());
            }
        }
        found.into_values().collect()
    }

    /// A map of `prefix.N.key` to `prefix.N.value`.
    pub fn map(&self, prefix: &str) -> Attributes {
        let entries = self.list(prefix);
        let pair = |entry: &Form| {
            let key = entry.get("key").or_else(|| entry.get("Key"))?;
            let value = entry.get("value").or_else(|| entry.get("Value")).unwrap_or_default();
            Some((key.to_owned(), value.to_owned()))
        };
        entries.iter().filter_map(pair).collect()
    }

    pub fn message_attributes(&self) -> Result<MessageAttributes, Refusal> {
        let mut attributes = MessageAttributes::new();
        for entry in self.list("MessageAttributes.entry") {
            let name = entry.get("Name").unwrap_or_default();
            attributes.insert(name.to_owned(), read(name, &entry)?);
        }
        Ok(attributes)
    }
}

fn read(name: &str, entry: &Form) -> Result<Attribute, Refusal> {
    let refused = |message: String| Err(Refusal::new("ParameterValueInvalid", message));
    let kind = entry.get("Value.DataType").unwrap_or_default();
    if name.is_empty() || kind.is_empty() {
        return refused(format!("The message attribute '{name}' must contain non-empty message attribute type."));
    }
    let text = entry.get("Value.StringValue");
    let binary = entry.get("Value.BinaryValue");
    let attribute = match (kind.split('.').next(), text, binary) {
        (Some("Binary"), None, Some(binary)) if attribute::is_base64(binary) => {
            Attribute { kind: kind.to_owned(), content: Content::Binary(binary.to_owned()) }
        }
        (Some("Number"), Some(text), None) if !text.is_empty() && !attribute::is_number(text) => {
            return refused(format!("Could not cast message attribute '{name}' value to number."));
        }
        (Some("String" | "Number"), Some(text), None) => Attribute::text(kind, text),
        (Some("String" | "Number" | "Binary"), None, None) => Attribute::text(kind, ""),
        (Some("String" | "Number" | "Binary"), _, _) => {
            return refused(format!(
                "The message attribute '{name}' with type '{kind}' must use field '{}'.",
                if kind.starts_with("Binary") { "Binary" } else { "String" }
            ));
        }
        _ => {
            return refused(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            ));
        }
    };
    let (Content::Text(value) | Content::Binary(value)) = &attribute.content;
    if value.is_empty() {
        return refused(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{kind}'."
        ));
    }
    Ok(attribute)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let form = Form::parse(b"A.member.10.Id=ten&A.member.2.Id=two+%ED%95%9C&A.member.x.Id=no&A.memberless.1.Id=no");
        let ids: Vec<String> =
            form.list("A.member").iter().map(|entry| entry.get("Id").unwrap_or("").to_owned()).collect();
        assert_eq!(ids, ["two 한", "ten"]);
    }

    #[test]
    fn an_empty_attribute_is_told_in_the_words_of_sns() {
        let form = Form::parse(
            b"MessageAttributes.entry.1.Name=MessageAttributeFactoryId&MessageAttributes.entry.1.Value.DataType=String\
              &MessageAttributes.entry.1.Value.StringValue=",
        );
        let refusal = form.message_attributes().expect_err("it is empty");
        assert_eq!(refusal.code, "ParameterValueInvalid");
        assert_eq!(
            refusal.message,
            "The message attribute 'MessageAttributeFactoryId' must contain non-empty message attribute value for message \
             attribute type 'String'."
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(
            body in prop::collection::vec(any::<u8>(), 0..200),
            text in "(MessageAttributes\\.entry\\.[0-9]{1,12}\\.(Name|Value\\.(DataType|StringValue))=[a-zN%+]{0,6}&){0,6}",
        ) {
            for body in [body.as_slice(), text.as_bytes()] {
                let form = Form::parse(body);
                let _ = form.message_attributes();
                form.list("MessageAttributes.entry");
                form.map("Attributes.entry");
            }
        }
    }
}
