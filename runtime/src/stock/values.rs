//! The values that clients and factories may send, and that topics and queues take.

use serde_json::Value;
use time::OffsetDateTime;

/// The longest name, in characters, as the columns have it.
pub const LONGEST_NAME: usize = 255;
/// The most that one callback credits.
pub const LARGEST_CREDIT: u32 = 1_000_000;

/// A name that a client sends: of a requester, a product, a factory. An empty name is a name here.
pub fn name(value: &Value) -> Option<&str> {
    let name = value.as_str()?;
    (name.chars().count() <= LONGEST_NAME && !name.contains(is_odd)).then_some(name)
}

/// A text as a client may send it, with a mark in the place of each character that no queue takes.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_odd(c) { '\u{fffd}' } else { c }).collect()
}

/// The count of a callback: a number, or a text of digits, because factories send both. `"010"` is 10.
pub fn count(value: &Value) -> Option<u32> {
    let count = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        _ => return None,
    };
    u32::try_from(count).ok().filter(|count| (1..=LARGEST_CREDIT).contains(count))
}

/// A time as JavaScript shows it: the texts of messages have always had it so.
pub fn date(time: OffsetDateTime) -> String {
    let (day, month) = (time.weekday().to_string(), time.month().to_string());
    format!(
        "{} {} {:02} {} {:02}:{:02}:{:02} GMT+0000 (Coordinated Universal Time)",
        &day[..3],
        &month[..3],
        time.day(),
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Whether a character can be in no name. A topic and a queue refuse most control characters, and these two.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_may_be_hostile_as_long_as_a_queue_takes_it() {
        for name in
            ["", "jeonghun", "'); DROP TABLE logs; -- ", "<script>", "홍길동 🦀", "\\", "${x}", &"부".repeat(255)]
        {
            assert_eq!(super::name(&json!(name)), Some(name));
        }
        for name in
            [json!("a\0"), json!("a\nb"), json!("\u{1b}[2J"), json!("\u{ffff}"), json!("x".repeat(256)), json!(5)]
        {
            assert_eq!(super::name(&name), None, "{name}");
        }
    }

    #[test]
    fn a_text_has_a_mark_for_what_a_queue_refuses() {
        assert_eq!(plain("부산 🦀 '\\"), "부산 🦀 '\\");
        assert_eq!(plain("a\0b\n\u{b}\u{fffe}\u{ffff}"), "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_count_is_a_number_or_a_text_of_digits() {
        for (value, expected) in [
            (json!(10), 10),
            (json!("10"), 10),
            (json!("010"), 10),
            (json!(1), 1),
            (json!(1_000_000), 1_000_000),
            (json!("00000000000000000000001000000"), 1_000_000),
        ] {
            assert_eq!(count(&value), Some(expected), "{value}");
        }
        for wrong in [
            json!(0),
            json!("0"),
            json!(-1),
            json!("-1"),
            json!("+1"),
            json!(" 10"),
            json!("1e1"),
            json!(10.5),
            json!(1_000_001),
            json!("99999999999999999999999"),
            json!(""),
            json!("ten"),
            json!("１０"),
            json!(null),
            json!([10]),
            json!(true),
        ] {
            assert_eq!(count(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_date_is_as_javascript_shows_it() {
        let time = OffsetDateTime::from_unix_timestamp(1_684_403_208).unwrap();
        assert_eq!(date(time), "Thu May 18 2023 09:46:48 GMT+0000 (Coordinated Universal Time)");
    }
}
