//! Looks at the text of a request, without reading the values in it: they may be nested deeper than a parser follows.

use std::ops::Range;

/// A member of a JSON object whose value is a text.
pub struct Member<'a> {
    pub key: &'a str,
    /// The place of the value in the text, with its quotes.
    pub at: Range<usize>,
    pub value: String,
}

/// The members with these keys, at any depth. The attribute values of an item are objects, so no item can hold one.
pub fn members<'a>(text: &'a str, keys: &[&str]) -> Vec<Member<'a>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut key: Option<&str> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_text(bytes, at);
                let behind = bytes[end..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|it| bytes[end + it]);
                match key.take() {
                    _ if behind == Some(b':') => {
                        key = Some(text.get(at + 1..end.saturating_sub(1)).unwrap_or_default())
                    }
                    Some(key) if keys.contains(&key) => {
                        if let Some(Ok(value)) = text.get(at..end).map(serde_json::from_str::<String>) {
                            found.push(Member { key, at: at..end, value });
                        }
                    }
                    _ => {}
                }
                at = end;
            }
            b':' => at += 1,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                key = None;
                at += 1;
            }
        }
    }
    found
}

/// The text with other values in the places of those members.
pub fn replaced(text: &str, changes: &[(Range<usize>, String)]) -> String {
    let (mut whole, mut copied) = (String::with_capacity(text.len()), 0);
    for (at, value) in changes {
        whole.push_str(&text[copied..at.start]);
        whole.push_str(&serde_json::Value::from(value.as_str()).to_string());
        copied = at.end;
    }
    whole + &text[copied..]
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Why an expression is refused before the engine reads it, in AWS's words. The engine refuses one that is too long by
/// itself, but it could not follow one of these to its end.
pub fn too_deep(key: &str, expression: &str) -> Option<String> {
    let depth = nesting(expression);
    let why = match () {
        () if depth <= DEEPEST => return None,
        () if expression.len() > LONGEST => "Expression size has exceeded the maximum allowed size;".to_owned(),
        () => format!("The expression contains too many operators; operator count: {depth}"),
    };
    Some(format!("Invalid {key}: {why}"))
}

/// The members of requests that hold an expression.
pub const EXPRESSIONS: [&str; 5] =
    ["ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression"];

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const LONGEST: usize = 4096;
const DEEPEST: usize = 300;

/// How deep a parser goes for an expression at most: parentheses that are open, and each `NOT`.
fn nesting(expression: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for letter in expression.bytes() {
        match letter {
            b'(' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "_#:.-".contains(letter);
    let words = expression.split(|letter: char| !is_of_word(letter));
    deepest + words.filter(|word| word.eq_ignore_ascii_case("NOT")).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let all = members(text, &["TableName", "FilterExpression"]);
        all.into_iter().map(|member| (member.key.to_owned(), member.value)).collect()
    }

    #[test]
    fn members_are_found_at_any_depth_and_attributes_are_none() {
        let text = r#"{"TransactItems": [{"Put": {"TableName" : "a\"b", "Item": {"TableName": {"S": "no"}}}}],
            "FilterExpression":"x", "More": ["TableName", "no"], "TableName": 1, "Other": "no"}"#;
        let found: Vec<(String, String)> =
            [("TableName", "a\"b"), ("FilterExpression", "x")].map(|(key, value)| (key.into(), value.into())).into();
        assert_eq!(values(text), found);
        let at = members(text, &["FilterExpression"])[0].at.clone();
        assert!(replaced(text, &[(at, "y\"".into())]).contains(r#""FilterExpression":"y\"", "More""#));
        let deep = format!("{{\"a\":{}1{},\"TableName\":\"t\"}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(values(&deep), [("TableName".to_owned(), "t".to_owned())]);
    }

    #[test]
    fn what_a_parser_could_not_follow_is_refused() {
        for (told, expression) in [
            (None, "a".repeat(5000)),
            (None, format!("{}a = :a{}", "(".repeat(300), ")".repeat(300))),
            (Some("contains too many operators; operator count: 301"), "(".repeat(301)),
            (Some("has exceeded the maximum allowed size;"), "(".repeat(5000)),
            (None, "NOT ".repeat(300)),
            (Some("contains too many operators; operator count: 301"), "not ".repeat(301)),
            (None, "#NOT = :NOT AND (a) OR ".repeat(170)),
        ] {
            let why = too_deep("FilterExpression", &expression);
            let fits = why.as_deref().zip(told).map_or(why.as_deref() == told, |(why, told)| why.ends_with(told));
            assert!(fits, "{why:?} {told:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_json_has_is_found(text in ".{0,80}", value in ".{0,20}") {
            let _ = values(&text);
            let told = json!({ "a": [text, { "TableName": value }] }).to_string();
            prop_assert_eq!(values(&told), [("TableName".to_owned(), value)]);
        }
    }
}
