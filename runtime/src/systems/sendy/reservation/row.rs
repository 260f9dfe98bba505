//! A reservation as it comes in, and as it goes out.

use mysql_async::prelude::FromRow;
use mysql_async::{FromRowError, Row};
use serde::{Deserialize, Serialize};
use time::{Date, Month};

/// The fields that a client sends. Only [`Fields::parse`] makes them, so they are always valid.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Fields {
    pub departure: String,
    pub destination: String,
    pub date: String,
    pub user_name: String,
}

/// The row of a reservation. The order of the fields is part of the contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reservation {
    pub id: i32,
    pub departure: String,
    pub destination: String,
    pub date: String,
    pub user_name: String,
}

/// The columns of a [`Reservation`], in its order.
pub const COLUMNS: &str = "id, departure, destination, DATE_FORMAT(date, '%Y-%m-%d'), user_name";
/// The longest text that the columns hold, in characters.
pub const LONGEST: usize = 200;

impl Fields {
    pub fn parse(body: &[u8]) -> Option<Self> {
        let fields: Fields = serde_json::from_slice(body).ok()?;
        let filled = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST;
        let valid = filled(&fields.departure)
            && filled(&fields.destination)
            && filled(&fields.user_name)
            && is_date(&fields.date);
        valid.then_some(fields)
    }

    pub fn row(&self, id: i32) -> Reservation {
        Reservation {
            id,
            departure: self.departure.clone(),
            destination: self.destination.clone(),
            date: self.date.clone(),
            user_name: self.user_name.clone(),
        }
    }
}

impl FromRow for Reservation {
    fn from_row_opt(row: Row) -> Result<Self, FromRowError> {
        let (id, departure, destination, date, user_name) = FromRow::from_row_opt(row)?;
        Ok(Reservation { id, departure, destination, date, user_name })
    }
}

/// The id in a path. `None` if the text is not an id: then it belongs to no row.
pub fn id(text: &str) -> Option<i32> {
    let plain = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Whether a text is a day in the form `YYYY-MM-DD` that exists in the calendar. MySQL's DATE begins with the year
/// 1000.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    if !shaped {
        return false;
    }
    let (Ok(year), Ok(month), Ok(day)) = (text[..4].parse(), text[5..7].parse::<u8>(), text[8..].parse()) else {
        return false;
    };
    let Ok(month) = Month::try_from(month) else { return false };
    year >= 1000 && Date::from_calendar_date(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> serde_json::Value {
        json!({ "departure": "서울", "destination": "부산", "date": "2022-06-07", "user_name": "peachdo" })
    }

    #[test]
    fn the_row_is_what_was_sent_under_its_id() {
        let parsed = Fields::parse(fields().to_string().as_bytes()).unwrap();
        assert_eq!(
            serde_json::to_string(&parsed.row(1)).unwrap(),
            r#"{"id":1,"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"peachdo"}"#
        );
    }

    #[test]
    fn each_field_is_needed_and_judged() {
        for name in ["departure", "destination", "date", "user_name"] {
            let mut missing = fields();
            missing.as_object_mut().unwrap().remove(name);
            assert_eq!(Fields::parse(missing.to_string().as_bytes()), None, "{name}");
            for wrong in [json!(null), json!(""), json!(" \t"), json!(1), json!(["a"]), json!("가".repeat(201))] {
                let mut with = fields();
                with[name] = wrong.clone();
                assert_eq!(Fields::parse(with.to_string().as_bytes()), None, "{name} {wrong}");
            }
        }
        let mut longest = fields();
        longest["departure"] = json!("가".repeat(200));
        longest["other"] = json!({ "is": "ignored" });
        assert!(Fields::parse(longest.to_string().as_bytes()).is_some());
        for body in [&b""[..], b"{}", b"[]", b"null", b"{", b"\xff", b"departure=a"] {
            assert_eq!(Fields::parse(body), None);
        }
    }

    #[test]
    fn a_date_is_a_day_that_there_is() {
        for (date, there_is) in [
            ("2022-06-07", true),
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("2022-13-01", false),
            ("2022-00-10", false),
            ("0999-12-31", false),
            ("1000-01-01", true),
            ("9999-12-31", true),
            ("2022-6-7", false),
            ("22-06-07", false),
            ("2022/06/07", false),
            ("2022-06-07T00:00", false),
            ("２０22-06-0", false),
        ] {
            assert_eq!(is_date(date), there_is, "{date}");
        }
    }

    #[test]
    fn an_id_is_digits() {
        assert_eq!([id("1"), id("01"), id("2147483647")], [Some(1), Some(1), Some(i32::MAX)]);
        for odd in ["", "-1", "+1", "1.0", "2147483648", "99999999999", "abc", "１"] {
            assert_eq!(id(odd), None, "{odd}");
        }
    }
}
