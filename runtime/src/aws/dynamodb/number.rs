//! The numbers of DynamoDB: up to 38 digits, from 1E-130 to 9.99…E+125, on both sides of 0. They are kept as their decimal
//! text, because no type of ours holds each of them exactly.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number>

use std::borrow::Cow;

use super::Refused;

/// A number, in the one text that it has here: all digits, no exponent, no zero that says nothing. So two numbers are the
/// same if their texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// Reads a number as JSON or DynamoDB writes it.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent).ok_or(NO_NUMBER)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NO_NUMBER);
        }
        let exponent = exponent - length(fraction);
        let significant = digits.trim_start_matches('0');
        let kept = significant.trim_end_matches('0');
        if kept.is_empty() {
            return Ok(Number("0".to_owned()));
        }
        if kept.len() > MOST_DIGITS {
            return Err(Refused("a number has more than 38 digits".into()));
        }
        let exponent = exponent + length(significant) - length(kept);
        // The power of ten of the first digit.
        let magnitude = exponent + length(kept) - 1;
        if !(SMALLEST..=LARGEST).contains(&magnitude) {
            return Err(Refused("a number is out of the range 1E-130 to 9.9E+125".into()));
        }
        Ok(Number(plain(is_negative, kept, exponent)))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The number, if it is a whole one that fits.
    pub fn whole(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number(number.to_string())
    }
}

const MOST_DIGITS: usize = 38;
const SMALLEST: i64 = -130;
const LARGEST: i64 = 125;
const NO_NUMBER: Refused = Refused(Cow::Borrowed("a number is not written as one"));

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX / 4)
}

/// An exponent with its sign. One that is far out of every range stays so.
fn read_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i64>().unwrap_or(FAR).min(FAR))
}

const FAR: i64 = 1 << 40;

/// All digits, with zeros in front or behind. The exponent is in range, so there are less than 200.
fn plain(is_negative: bool, digits: &str, exponent: i64) -> String {
    let sign = if is_negative { "-" } else { "" };
    match usize::try_from(exponent) {
        Ok(zeros) => format!("{sign}{digits}{}", "0".repeat(zeros)),
        Err(_) => {
            let behind = usize::try_from(-exponent).unwrap_or_default();
            match digits.len().checked_sub(behind) {
                Some(at) if at > 0 => format!("{sign}{}.{}", &digits[..at], &digits[at..]),
                _ => format!("{sign}0.{}{digits}", "0".repeat(behind - digits.len())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        Number::read(text).ok().map(|number| number.0)
    }

    #[test]
    fn a_number_has_one_text() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e999999999999999999999999", "0"),
            ("3.25", "3.25"),
            ("3.250", "3.25"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("1.5e1", "15"),
            ("20.0", "20"),
            ("-0.5", "-0.5"),
            ("5e-3", "0.005"),
            ("12.5e-1", "1.25"),
            ("12345678901234567890", "12345678901234567890"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
            ("0.1", "0.1"),
            ("1e37", &format!("1{}", "0".repeat(37))),
            ("100000000000000000000000000000000000000000000000", &format!("1{}", "0".repeat(47))),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        let largest = format!("{}e88", "9".repeat(38));
        assert_eq!(read(&largest), Some(format!("{}{}", "9".repeat(38), "0".repeat(88))));
        assert_eq!(read("1e-130"), Some(format!("0.{}1", "0".repeat(129))));
    }

    #[test]
    fn what_dynamodb_refuses_is_refused() {
        for text in [
            "1e126",
            "-1e126",
            "9.99e-131",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "123456789012345678901234567890123456789",
            "0.123456789012345678901234567890123456789",
            "",
            "-",
            "1e",
            "1e+",
            "e1",
            ".5",
            "NaN",
            "Infinity",
            "0x10",
            "1 ",
            "--1",
            "1.2.3",
            "１",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_one_that_fits() {
        let whole = |text: &str| Number::read(text).unwrap().whole();
        assert_eq!([whole("7"), whole("7.0"), whole("7e0"), whole("0")], [Some(7), Some(7), Some(7), Some(0)]);
        assert_eq!([whole("-7"), whole("7.5"), whole("18446744073709551616")], [None, None, None]);
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn the_text_means_the_same_number(mantissa in -1_000_000_000_i64..1_000_000_000, exponent in -20..20_i32) {
            let given = format!("{mantissa}e{exponent}");
            let text = read(&given).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), given.parse::<f64>().unwrap());
            prop_assert_eq!(read(&text), Some(text.clone()));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }

        #[test]
        fn no_text_is_a_panic(text in "[-+0-9.eE]{0,60}") {
            let _ = Number::read(&text);
        }
    }
}
