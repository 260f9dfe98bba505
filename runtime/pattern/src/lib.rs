//! The filter patterns of CloudWatch Logs, for places without CloudWatch Logs: terms (`ERROR -health "no rows"`,
//! `?ERROR ?WARN`) and JSON selectors (`{ $.event = "reservation.created" && $.latency_ms > 100 }`).
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
//!
//! Regular expressions and the patterns in brackets for columns are left out. [`check`] tells them from mistakes. This
//! crate is stricter than AWS in one place: terms with `?` must stand alone. To AWS a mixture of terms with and without
//! `?` does not mean what it looks like.

mod parse;

use std::str::FromStr;

use serde_json::Value;

pub use self::parse::Mistake;

/// Checks a pattern as AWS does. It is an error if AWS would refuse the pattern. It is `Some` if AWS takes the pattern
/// and [`Pattern`] does not, which is no mistake of the user.
pub fn check(text: &str) -> Result<Option<Mistake>, Mistake> {
    parse::parse(text).map(|parsed| parsed.unsupported)
}

#[derive(Debug)]
pub struct Pattern(Kind);

impl Pattern {
    pub fn matches(&self, message: &str) -> bool {
        let found = |term: &String| message.contains(term.as_str());
        match &self.0 {
            Kind::Terms { all, none, any } => {
                all.iter().all(found) && !none.iter().any(found) && (any.is_empty() || any.iter().any(found))
            }
            Kind::Json(condition) => match serde_json::from_str::<Value>(message) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => condition.holds(&value),
                _ => false,
            },
        }
    }
}

impl FromStr for Pattern {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let parsed = parse::parse(text)?;
        match parsed.unsupported {
            Some(unsupported) => Err(unsupported),
            None => Ok(Pattern(parsed.kind)),
        }
    }
}

#[derive(Debug)]
enum Kind {
    /// Terms. A pattern without any term matches every event.
    Terms {
        all: Vec<String>,
        none: Vec<String>,
        any: Vec<String>,
    },
    Json(Condition),
}

#[derive(Debug)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Is(Selector, Test),
}

/// The steps from the whole event down to a value. Without steps it is the whole event.
type Selector = Vec<Step>;

#[derive(Debug)]
enum Step {
    Field(String),
    Place(usize),
    /// Every field of an object, or every place of an array.
    Each,
}

#[derive(Debug)]
enum Test {
    Exists,
    NotExists,
    Null,
    Boolean(bool),
    Equal(Operand),
    NotEqual(Operand),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
}

#[derive(Debug)]
enum Operand {
    Number(f64),
    /// The parts of a text between its wildcards. A text in quotes is compared with strings only, and one without
    /// quotes with any scalar as it is written.
    Text {
        parts: Vec<String>,
        quoted: bool,
    },
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::Any(conditions) => conditions.iter().any(|condition| condition.holds(value)),
            Condition::All(conditions) => conditions.iter().all(|condition| condition.holds(value)),
            Condition::Is(selector, test) => {
                let mut selected = Vec::new();
                select(value, selector, &mut selected);
                match test {
                    Test::NotExists => selected.is_empty(),
                    test => selected.into_iter().any(|value| test.holds(value)),
                }
            }
        }
    }
}

impl Test {
    /// Whether a value that exists passes the test.
    fn holds(&self, value: &Value) -> bool {
        let number = value.as_f64();
        match self {
            Test::Exists => true,
            Test::NotExists => false,
            Test::Null => value.is_null(),
            Test::Boolean(expected) => value.as_bool() == Some(*expected),
            Test::Equal(operand) => operand.equals(value),
            Test::NotEqual(operand) => !operand.equals(value),
            Test::Less(limit) => number.is_some_and(|number| number < *limit),
            Test::LessOrEqual(limit) => number.is_some_and(|number| number <= *limit),
            Test::Greater(limit) => number.is_some_and(|number| number > *limit),
            Test::GreaterOrEqual(limit) => number.is_some_and(|number| number >= *limit),
        }
    }
}

impl Operand {
    fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Operand::Number(expected), value) => value.as_f64() == Some(*expected),
            (Operand::Text { parts, .. }, Value::String(text)) => like(parts, text),
            (Operand::Text { parts, quoted: false }, Value::Number(number)) => like(parts, &number.to_string()),
            (Operand::Text { parts, quoted: false }, Value::Bool(boolean)) => like(parts, &boolean.to_string()),
            _ => false,
        }
    }
}

fn select<'a>(value: &'a Value, selector: &[Step], selected: &mut Vec<&'a Value>) {
    let Some((step, rest)) = selector.split_first() else {
        selected.push(value);
        return;
    };
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            if let Some(value) = fields.get(name) {
                select(value, rest, selected);
            }
        }
        (Step::Place(place), Value::Array(values)) => {
            if let Some(value) = values.get(*place) {
                select(value, rest, selected);
            }
        }
        (Step::Each, Value::Object(fields)) => fields.values().for_each(|value| select(value, rest, selected)),
        (Step::Each, Value::Array(values)) => values.iter().for_each(|value| select(value, rest, selected)),
        _ => {}
    }
}

/// Whether the text is made of these parts with anything between them. Each part is taken at the first place where it
/// occurs. That misses no match, because the text between parts is free.
fn like(parts: &[String], text: &str) -> bool {
    let [first, between @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in between {
        match rest.split_once(part.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, message: &str) -> bool {
        pattern.parse::<Pattern>().unwrap_or_else(|mistake| panic!("{pattern}: {mistake}")).matches(message)
    }

    #[test]
    fn terms() {
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("  ", "", true),
            ("ERROR", "[ERROR 400] BAD", true),
            ("ERROR", "[error 400]", false),
            ("ERROR ARGUMENTS", "ERROR 419 MISSING ARGUMENTS", true),
            ("ERROR ARGUMENTS", "ERROR 419", false),
            ("?ERROR ?ARGUMENTS", "ERROR 419", true),
            ("?ERROR ?ARGUMENTS", "INFO", false),
            ("ERROR -ARGUMENTS", "ERROR 419", true),
            ("ERROR -ARGUMENTS", "ERROR ARGUMENTS", false),
            ("-\"a b\"", "a b", false),
            ("\"서울 \\\"역\\\"\"", "서울 \"역\"", true),
            ("reservation.created", "{\"event\":\"reservation.created\"}", true),
        ] {
            assert_eq!(matches(pattern, message), expected, "{pattern} on {message}");
        }
    }

    #[test]
    fn json() {
        let message = r#"{"event":"reservation.created","departure":"서울","status":201,"ok":true,"none":null,
            "latency_ms":1.5,"ip":"123.123.1.2","tags":["a","b"],"user":{"name":"홍길동","a.b":1},"rows":[{"id":1},{"id":2}]}"#;
        for (pattern, expected) in [
            (r#"{ $.event = "reservation.created" }"#, true),
            (r#"{$.event="reservation.created"}"#, true),
            (r#"{ $.event = "reservation.*" }"#, true),
            (r#"{ $.event = *.created }"#, true),
            (r#"{ $.event = r*v*ted }"#, true),
            (r#"{ $.event = r*v*tod }"#, false),
            (r#"{ $.event != "reservation.created" }"#, false),
            (r#"{ $.event = reservation }"#, false),
            (r#"{ $.departure = "서울" }"#, true),
            ("{ $.departure = 서울 }", true),
            ("{ $.ip != 123.123.* }", false),
            ("{ $.missing != 123.123.* }", false),
            ("{ $.status = 201 }", true),
            ("{ $.status = 2* }", true),
            (r#"{ $.status = "201" }"#, false),
            ("{ $.status >= 201 && $.status < 300 }", true),
            ("{ $.status > 201 || $.latency_ms <= 1.5e0 }", true),
            ("{ $.status > 201 }", false),
            ("{ $.departure > 1 }", false),
            ("{ $.ok IS TRUE && $.ok = true }", true),
            ("{ $.ok IS FALSE }", false),
            ("{ $.none IS NULL }", true),
            ("{ $.none EXISTS }", true),
            ("{ $.missing IS NULL }", false),
            ("{ $.missing NOT EXISTS }", true),
            ("{ $.event NOT EXISTS }", false),
            (r#"{ $.event = "*" }"#, true),
            ("{ $.tags[1] = b }", true),
            ("{ $.tags[0] = b }", false),
            ("{ $.tags[*] = b }", true),
            ("{ $.rows[1].id = 2 }", true),
            ("{ $.rows[*].id = 3 }", false),
            ("{ $.user.* = 홍길동 }", true),
            (r#"{ $.user["a.b"] = 1 }"#, true),
            ("{ $.user.['a.b'] = 1 }", true),
            ("{ ($.status = 500 || $.ok IS TRUE) && $.departure = 서울 }", true),
            ("{ $.status = 500 || $.ok IS TRUE && $.departure = 부산 }", false),
        ] {
            assert_eq!(matches(pattern, message), expected, "{pattern}");
        }
        assert!(!matches("{ $.a NOT EXISTS }", "no JSON"));
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let deep = format!("{{ {}", "(".repeat(100));
        for (pattern, mistake) in [
            ("{ $.event = }", "column 13: expected a value"),
            ("{ $.event", "column 10: expected an operator"),
            ("{ $.서울 ~ 1 }", "column 8: expected an operator"),
            ("{ $.a > b }", "column 9: expected a number"),
            ("{ $.a > \"1\" }", "column 9: expected a number"),
            ("{ event = 1 }", "column 3: expected a selector, like `$.event`"),
            ("{ $. = 1 }", "column 5: expected the name of a field"),
            ("{ $.a[x] = 1 }", "column 7: expected a place, `*` or a name in quotes"),
            ("{ $.a[1 = 1 }", "column 8: expected `]`"),
            ("{ $.a = 1 & $.b = 2 }", "column 11: expected `&&`, `||` or `}`"),
            ("{ ($.a = 1 }", "column 12: expected `)`"),
            ("{ $.a = 1 } x", "column 13: expected the end"),
            ("{ $.a = \"x }", "column 13: expected `\"`"),
            ("{ $.a IS 1 }", "column 10: expected `NULL`, `TRUE` or `FALSE`"),
            ("{ $.a IS NOT NULL }", "column 10: expected `NULL`, `TRUE` or `FALSE`"),
            ("{ $.a = %x }", "column 13: expected `%`"),
            ("{ $.a > %x% }", "column 9: expected a number"),
            ("%x", "column 3: expected `%`"),
            ("[a, b", "column 6: expected `]`"),
            ("[a, , b]", "column 5: expected a column"),
            ("[]", "column 2: expected a column"),
            ("[a, b] c", "column 8: expected the end"),
            ("[a = \"x]", "column 9: expected `\"`"),
            ("[(a = 1]", "column 8: expected `)`"),
            ("{ $.a NOT 1 }", "column 11: expected `EXISTS`"),
            ("{ $.a = %x% }", "column 9: a regular expression is not supported"),
            ("%x%", "column 1: a regular expression is not supported"),
            ("[a, b]", "column 1: a pattern for columns is not supported"),
            ("?a b", "column 4: a term without `?` beside one with it"),
            ("a -", "column 4: expected a term"),
            ("a \"b", "column 5: expected `\"`"),
            (&deep, "column 35: more than 32 parentheses inside each other"),
            (&"a".repeat(1025), "column 1025: longer than 1024 characters"),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap_err().to_string(), mistake, "{pattern}");
        }
    }

    /// The examples are from "Filter pattern syntax" in the CloudWatch Logs user guide: columns and regular
    /// expressions.
    #[test]
    fn what_aws_takes_and_this_does_not_is_no_mistake() {
        for (pattern, what) in [
            (
                "[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes]",
                "column 1: a pattern for columns",
            ),
            ("[w1!=ERROR&&w1!=WARN, w2]", "column 1: a pattern for columns"),
            ("[..., status_code = 404 || status_code = 410, bytes > 1000]", "column 1: a pattern for columns"),
            ("[w1 = \"a, b]\", (w2 = 1 || w2 = %[a-z]%)]", "column 1: a pattern for columns"),
            ("%AUTHORIZED%", "column 1: a regular expression"),
            ("ERROR -%a b%", "column 8: a regular expression"),
            ("{ $.eventType = %Trail% }", "column 17: a regular expression"),
            ("{ $.a = 1 && $.b != %x}% }", "column 21: a regular expression"),
        ] {
            let unsupported = check(pattern).unwrap_or_else(|mistake| panic!("{pattern}: {mistake}"));
            assert_eq!(unsupported.expect(pattern).to_string(), format!("{what} is not supported"));
            assert!(pattern.parse::<Pattern>().is_err(), "{pattern}");
        }
        assert!(check("{ $.a = 1 }").is_ok_and(|unsupported| unsupported.is_none()));
    }

    proptest! {
        #[test]
        fn nothing_panics(pattern: String, message: String) {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                pattern.matches(&message);
            }
        }

        #[test]
        fn nothing_that_looks_like_a_pattern_panics(pattern in pieces(), message in "[{}\\[\\]\":,a$.1\\\\ 서]{0,30}") {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                pattern.matches(&message);
            }
        }

        /// `like` says the same as the plainest program for a wildcard.
        #[test]
        fn like_is_what_it_says(parts in prop::collection::vec("[ab]{0,2}", 1..5), text in "[ab]{0,8}") {
            prop_assert_eq!(like(&parts, &text), slowly(&parts, &text));
        }

        /// A value in quotes is equal to the text that was quoted.
        #[test]
        fn a_quoted_value_is_itself(value in "[^*]{0,20}") {
            let pattern = format!("{{ $.a = {} }}", serde_json::json!(value));
            let message = serde_json::json!({ "a": value }).to_string();
            if !value.chars().any(char::is_control) {
                prop_assert!(matches(&pattern, &message));
            }
        }
    }

    fn slowly(parts: &[String], text: &str) -> bool {
        match parts {
            [] => false,
            [only] => only == text,
            [first, rest @ ..] => text
                .strip_prefix(first.as_str())
                .is_some_and(|text| (0..=text.len()).any(|start| slowly(rest, &text[start..]))),
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{", "}", "(", ")", "$", "$.a", ".", "[", "]", "0", "*", "=", "!=", "<", "<=", ">", ">=", "&&", "||", "IS",
            "NULL", "NOT", "EXISTS", "TRUE", "\"", "\\", "'", "서울", "-", "?", "1e5", " ", "%",
        ]);
        prop::collection::vec(piece, 0..15).prop_map(|pieces| pieces.concat())
    }
}
