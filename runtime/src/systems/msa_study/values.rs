//! What a client may send, and what a topic takes.

use serde::Deserialize;
use serde_json::Value;

use super::config::LARGEST_FACTOR;

/// The most that one request buys.
pub const LARGEST_PURCHASE: u32 = 10_000;
/// The most that one order produces.
pub const LARGEST_ORDER: u32 = LARGEST_PURCHASE * LARGEST_FACTOR;
/// The largest stock that somebody can set.
pub const LARGEST_STOCK: u32 = 1_000_000;
/// The longest name, in characters, as the columns have it.
pub const LONGEST_NAME: usize = 255;

/// A quantity: a JSON number without a fraction.
pub fn quantity(value: &Value, least: u32, most: u32) -> Option<u32> {
    let quantity = u32::try_from(value.as_u64()?).ok()?;
    (least..=most).contains(&quantity).then_some(quantity)
}

/// An id of a row: 1 or more.
pub fn id(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok().filter(|id| *id > 0)
}

/// A name that a client sends: of a requester, an item, a factory. An empty name is a name here.
pub fn name(value: &Value) -> Option<&str> {
    let name = value.as_str()?;
    (name.chars().count() <= LONGEST_NAME && !name.contains(is_odd)).then_some(name)
}

/// A name from the database, as a client may send it: with a mark in the place of each odd character.
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if is_odd(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character can be in no name. A topic and a queue refuse most control characters, and these two.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// The rows of a list that a client wants: `limit` rows after the one with the id `after`.
#[derive(Deserialize)]
pub struct Page {
    after: Option<i32>,
    limit: Option<u32>,
}

impl Page {
    pub fn after(&self) -> i32 {
        self.after.unwrap_or_default()
    }

    /// At most so many rows that they fit into the 6 MB that a function may answer.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS)
    }

    /// Whether it is the whole list, as far as the client knows.
    pub fn is_whole(&self) -> bool {
        self.after.is_none() && self.limit.is_none()
    }
}

const MOST_ROWS: u32 = 2_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_sensible_number_is_a_quantity() {
        assert_eq!(quantity(&json!(1), 1, 10), Some(1));
        assert_eq!(quantity(&json!(10), 1, 10), Some(10));
        let absurd: Value = serde_json::from_str("1e300").unwrap();
        for wrong in [
            json!(0),
            json!(-5),
            json!("abc"),
            json!("5"),
            json!(1.5),
            json!(11),
            json!(4_294_967_297_u64),
            absurd,
            json!(null),
            json!([5]),
            json!(true),
        ] {
            assert_eq!(quantity(&wrong, 1, 10), None, "{wrong}");
        }
    }

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
    fn a_name_from_the_database_has_a_mark_for_what_a_queue_refuses() {
        assert_eq!(plain("부산 🦀 '\\"), "부산 🦀 '\\");
        assert_eq!(plain("a\0b\n\u{b}\u{fffe}\u{ffff}"), "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
