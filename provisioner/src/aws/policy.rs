//! Compares policy documents by their meaning, not by their text. AWS changes their indentation and order, turns a list
//! of one into a scalar, and an account id into the ARN of its root.

use std::collections::BTreeMap;

use serde_json::Value;

/// The normal form of a document. Documents with the same meaning have the same one.
pub fn normal(document: &Value) -> Value {
    match document {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), member(key, value))).collect(),
        other => other.clone(),
    }
}

/// Parses the document that AWS answered, url-encoded or not. A text that is not JSON is kept as text, and will differ.
pub fn parse(text: &str) -> Value {
    let parsed = serde_json::from_str(text).or_else(|_| serde_json::from_str(&decode(text)));
    match parsed {
        Ok(document) => normal(&document),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// The statements of a document. The key of each is its `Sid`, or its place if it has none.
pub fn statements(document: &Value) -> BTreeMap<String, Value> {
    let all = document["Statement"].as_array().into_iter().flatten().enumerate();
    let sid = |statement: &Value| statement["Sid"].as_str().filter(|sid| !sid.is_empty()).map(str::to_owned);
    all.map(|(place, statement)| (sid(statement).unwrap_or_else(|| (place + 1).to_string()), statement.clone()))
        .collect()
}

fn member(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("Statement", Value::Array(statements)) => sorted(statements.iter().map(normal).collect()),
        ("Statement", one) => Value::Array(vec![normal(one)]),
        ("Principal" | "NotPrincipal", Value::Object(map)) => {
            map.iter().map(|(kind, who)| (kind.clone(), set(who, principal))).collect()
        }
        ("Action" | "NotAction" | "Resource" | "NotResource", value) => set(value, Value::clone),
        ("Condition", Value::Object(operators)) => operators
            .iter()
            .map(|(operator, keys)| match keys {
                Value::Object(keys) => {
                    (operator.clone(), keys.iter().map(|(key, value)| (key.clone(), set(value, text))).collect())
                }
                other => (operator.clone(), other.clone()),
            })
            .collect(),
        (_, other) => other.clone(),
    }
}

/// The value as a sorted list. A scalar is a list of one.
fn set(value: &Value, each: fn(&Value) -> Value) -> Value {
    match value {
        Value::Array(items) => sorted(items.iter().map(each).collect()),
        one => Value::Array(vec![each(one)]),
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}

/// The normal form of a principal: `arn:aws:iam::123456789012:root` and `123456789012` are the same.
fn principal(value: &Value) -> Value {
    match value.as_str() {
        Some(arn) if arn.starts_with("arn:") && arn.ends_with(":root") => {
            Value::String(arn.split(':').nth(4).unwrap_or(arn).to_owned())
        }
        _ => value.clone(),
    }
}

/// The value as text, because conditions compare as text: `true` and `"true"` are the same.
fn text(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        other => Value::String(other.to_string()),
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code =
            bytes.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_aws_makes_of_a_policy_is_the_same_policy() {
        let ours = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"},
            "Action": ["sqs:SendMessage"], "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": true}}}]});
        let theirs = r#"{ "Statement" : { "Action" : "sqs:SendMessage", "Effect":"Allow", "Resource": ["*"],
            "Principal":{"AWS":["arn:aws:iam::123456789012:root"]}, "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}},
            "Version":"2012-10-17"}"#;
        assert_eq!(normal(&ours), parse(theirs));
    }

    #[test]
    fn another_action_is_another_policy() {
        assert_ne!(parse(r#"{"Statement":{"Action":"a:B"}}"#), parse(r#"{"Statement":{"Action":"a:C"}}"#));
    }
}
