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
/// A quantity: a JSON number without a fraction.
pub fn quantity(value: &Value, least: u32, most: u32) -> Option<u32> {
    let quantity = u32::try_from(value.as_u64()?).ok()?;
    (least..=most).contains(&quantity).then_some(quantity)
}

/// An id of a row: 1 or more.
pub fn id(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok().filter(|id| *id > 0)
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
}
