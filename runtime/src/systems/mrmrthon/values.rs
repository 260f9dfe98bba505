//! The values that clients may send.

use serde_json::{Map, Value};

/// The largest id: clients keep numbers as JavaScript does, and further ones are not exact there.
pub const LARGEST_ID: u64 = (1 << 53) - 1;
/// The most points that a marathon may be worth.
pub const MOST_POINTS: u32 = 1_000_000;
/// The longest name and login, in characters, as the columns have it.
pub const LONGEST_NAME: usize = 255;
pub const LONGEST_PHONE: usize = 64;

/// The kinds of users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Individual,
    Organizer,
}

impl Kind {
    pub fn number(self) -> u8 {
        match self {
            Kind::Individual => 0,
            Kind::Organizer => 1,
        }
    }

    pub fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Kind::Individual),
            1 => Some(Kind::Organizer),
            _ => None,
        }
    }
}

/// A number of a body: a whole one, as a number or as digits. Forms send digits.
pub fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            // `20.0` is 20. Up to here a number is exact.
            let number = number.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
            (number <= LARGEST_ID as f64).then_some(number as u64)
        }),
        Value::String(digits) => id(digits),
        _ => None,
    }
}

/// An id in a path.
pub fn id(text: &str) -> Option<u64> {
    let is_plain = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_plain && *id <= LARGEST_ID)
}

/// A text of a body, of at least one and at most so many characters, none of which controls a terminal.
pub fn text<'a>(body: &'a Map<String, Value>, name: &str, longest: usize) -> Option<&'a str> {
    let text = body.get(name)?.as_str()?;
    ((1..=longest).contains(&text.chars().count()) && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_may_come_in_several_forms() {
        for (value, expected) in [
            (json!(0), 0),
            (json!(1), 1),
            (json!(20.0), 20),
            (json!("7"), 7),
            (json!(9_007_199_254_740_991_u64), LARGEST_ID),
        ] {
            assert_eq!(whole(&value), Some(expected), "{value}");
        }
        for wrong in [json!(-1), json!(1.5), json!(1e300), json!("x"), json!(""), json!(null), json!([1]), json!(true)]
        {
            assert_eq!(whole(&wrong), None, "{wrong}");
        }
        for wrong in ["", "-1", "+1", "1.0", " 1", "１", "9007199254740992", "99999999999999999999999"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_text_has_something_in_it_and_ends_somewhere() {
        let body = json!({ "a": "나혜", "b": "", "c": 5, "d": "x\n", "e": "부".repeat(255), "f": "x".repeat(256) });
        let of = |name: &str| text(body.as_object().unwrap(), name, LONGEST_NAME).is_some();
        assert_eq!(["a", "b", "c", "d", "e", "f", "g"].map(of), [true, false, false, false, true, false, false]);
    }
}
