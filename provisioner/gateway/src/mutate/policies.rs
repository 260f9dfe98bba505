//! Rewords policy documents. They come back with other white space, single elements in place of lists of one, and ARNs
//! for account ids.

use serde_json::Value;

/// The same policy as AWS would lay it out. `None` if the text is not a policy.
pub(super) fn reword(text: &str) -> Option<String> {
    if text.starts_with("%7B") {
        // IAM answers documents in percent encoding.
        return reword(&decode(text)).map(|policy| encode(&policy));
    }
    if !text.trim_start().starts_with('{') || !text.contains("\"Statement\"") {
        return None;
    }
    let mut policy: Value = serde_json::from_str(text).ok()?;
    for statement in match policy.get_mut("Statement")? {
        Value::Array(list) => list.iter_mut().collect::<Vec<_>>(),
        one => vec![one],
    } {
        let Some(statement) = statement.as_object_mut() else { continue };
        for name in ["Action", "NotAction", "Resource", "NotResource"] {
            if let Some(value) = statement.get_mut(name) {
                unwrap_single(value);
            }
        }
        for (kind, who) in statement.get_mut("Principal").and_then(Value::as_object_mut).into_iter().flatten() {
            if kind == "AWS" {
                name_accounts(who);
            }
            unwrap_single(who);
        }
        for (_, tests) in statement.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flatten() {
            tests.as_object_mut().into_iter().flatten().for_each(|(_, value)| unwrap_single(value));
        }
    }
    serde_json::to_string_pretty(&policy).ok()
}

fn unwrap_single(value: &mut Value) {
    if let Value::Array(list) = value
        && list.len() == 1
    {
        *value = list.remove(0);
    }
}

fn name_accounts(who: &mut Value) {
    match who {
        Value::Array(list) => list.iter_mut().for_each(name_accounts),
        Value::String(text) if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) => {
            *text = format!("arn:aws:iam::{text}:root");
        }
        _ => {}
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair: Vec<u8> = bytes.by_ref().take(2).collect();
        let hex = std::str::from_utf8(&pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        out.extend(hex);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_and_names() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a:B"],"Principal":{"AWS":["123456789012"]},"Resource":["x","y"]}]}"#;
        let reworded = reword(text).expect("a policy");
        let policy: Value = serde_json::from_str(&reworded).expect("JSON");
        assert!(reworded.contains('\n'));
        assert_eq!(policy["Statement"][0]["Action"], "a:B");
        assert_eq!(policy["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::123456789012:root");
        assert_eq!(policy["Statement"][0]["Resource"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn keeps_the_encoding() {
        let encoded = encode(r#"{"Statement":[{"Action":["a:B"]}]}"#);
        let reworded = reword(&encoded).expect("a policy");
        assert!(reworded.starts_with("%7B") && decode(&reworded).contains(r#""Action": "a:B""#));
    }

    #[test]
    fn leaves_other_text() {
        assert_eq!(reword("hello"), None);
        assert_eq!(reword(r#"{"a":1}"#), None);
    }
}
