//! Writes a JSON value as YAML, with CloudFormation's short forms. If a plain text could be taken for another value, it
//! is quoted.

use serde_json::Value;

use crate::printer::shown;

/// Writes `key: value`, indented by so many spaces.
pub(super) fn member(text: &mut String, indent: usize, key: &str, value: &Value) {
    text.push_str(&" ".repeat(indent));
    text.push_str(&scalar(key));
    text.push(':');
    behind(text, indent, value);
}

/// Writes the value behind a colon, or behind a dash. Behind a dash, `indent` is that of the dash.
fn behind(text: &mut String, indent: usize, value: &Value) {
    if let Some(short) = short(value) {
        text.push_str(&format!(" {short}\n"));
        return;
    }
    match value {
        Value::Object(map) if map.is_empty() => text.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => text.push_str(" []\n"),
        Value::Object(map) => {
            text.push('\n');
            for (key, value) in map {
                member(text, indent + 2, key, value);
            }
        }
        Value::Array(items) => {
            text.push('\n');
            for value in items {
                item(text, indent + 2, value);
            }
        }
        Value::String(words) => text.push_str(&format!(" {}\n", scalar(words))),
        other => text.push_str(&format!(" {other}\n")),
    }
}

fn item(text: &mut String, indent: usize, value: &Value) {
    text.push_str(&format!("{}-", " ".repeat(indent)));
    match value {
        // The first member stands beside the dash.
        Value::Object(map) if short(value).is_none() && !map.is_empty() => {
            let mut inner = String::new();
            for (key, value) in map {
                member(&mut inner, indent + 2, key, value);
            }
            text.push(' ');
            text.push_str(inner.trim_start());
        }
        other => behind(text, indent, other),
    }
}

/// The short form of a function: `!Ref X`, `!Sub '…'`. `Fn::GetAtt` is on one line, because CloudFormation Guard does
/// not know its short form. The other functions keep their long names.
fn short(value: &Value) -> Option<String> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (function, argument) = map.iter().next()?;
    match (function.as_str(), argument) {
        ("Ref", Value::String(id)) => Some(format!("!Ref {id}")),
        ("Fn::GetAtt", Value::Array(parts)) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            Some(format!("{{ Fn::GetAtt: [{}] }}", parts?.join(", ")))
        }
        ("Fn::Sub", Value::String(words)) => Some(format!("!Sub {}", quoted(words))),
        _ => None,
    }
}

/// Writes a text. It is plain only if nobody could take it for anything but this text.
fn scalar(text: &str) -> String {
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
    let inside = |c: char| letters(c) || "():,;'`@*+=".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inside)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !text.contains(" #");
    // YAML 1.1, which CloudFormation reads, has many words for true and false.
    let word =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if plain && !word { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    match text.contains(shown::acts) {
        true => shown::line(&Value::from(text).to_string()).into_owned(),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_could_be_something_else_is_quoted() {
        let mut text = String::new();
        let words = [
            "plain words",
            "arn:aws:x",
            "on",
            "8.4",
            "*",
            "a: b",
            "{ $.x }",
            "it's",
            "2012-10-17",
            "",
            "a\nb",
            "\u{202e}c\u{9b}",
        ];
        member(&mut text, 0, "Words", &json!(words));
        member(&mut text, 0, "Nested", &json!([{"A": {"Ref": "B"}, "C": []}, [1, true], {"Fn::GetAtt": ["D", "E.F"]}]));
        insta::assert_snapshot!(text, @r#"
        Words:
          - plain words
          - arn:aws:x
          - 'on'
          - '8.4'
          - '*'
          - 'a: b'
          - '{ $.x }'
          - it's
          - '2012-10-17'
          - ''
          - "a\nb"
          - "\u202ec\u009b"
        Nested:
          - A: !Ref B
            C: []
          -
            - 1
            - true
          - { Fn::GetAtt: [D, E.F] }
        "#);
    }
}
