//! `http.health`: how the load balancer finds out that a task is healthy, and how long a task may take until it is.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sections::words::Span;

/// A path alone, or a path with the rest of the health check.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Health {
    Path(Path),
    Check(Check),
}

/// The path at which the service says that it is healthy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Path(#[schemars(regex(pattern = r"^/[^ \t\r\n]{0,1023}$"))] pub String);

/// The health check of a service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The path at which the service says that it is healthy. Default: `/healthz`.
    pub path: Option<Path>,
    /// The status codes of a healthy answer, as AWS writes them: `200`, `200,204` or `200-299`. Default: `200`.
    pub codes: Option<Codes>,
    /// The time between two checks. Default: `10s`, from `5s` to `5m`.
    pub interval: Option<Span>,
    /// How long a new task may fail its checks while it starts. Default: `3m` for an `image` of your own, `1m` for the
    /// bundled runtime; at most `30m`.
    pub grace: Option<Span>,
}

/// Status codes as the file has them. YAML makes a number of a single code.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Codes {
    Text(String),
    One(u16),
    List(Vec<Code>),
}

/// One status code, or a range of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Code {
    Text(String),
    One(u16),
}

/// How many failed checks in a row make a target unhealthy, and how many good ones make it healthy again.
pub(crate) const UNHEALTHY_AFTER: u32 = 3;
pub(crate) const HEALTHY_AFTER: u32 = 2;

/// The codes without spaces, which AWS refuses.
impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |text: &String| text.split_whitespace().collect::<String>();
        match self {
            Codes::Text(text) => f.write_str(&bare(text)),
            Codes::One(code) => write!(f, "{code}"),
            Codes::List(codes) => {
                let each = codes.iter().map(|code| match code {
                    Code::Text(text) => bare(text),
                    Code::One(code) => code.to_string(),
                });
                f.write_str(&each.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// The first and the last code of each part of `200-299,301`. For an Application Load Balancer they are within 200 and 499
/// (Elastic Load Balancing API reference, Matcher).
pub(crate) fn ranges(codes: &str) -> Result<Vec<(u16, u16)>, String> {
    let one = |text: &str| {
        let number = Some(text).filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|text| text.parse::<u16>().ok()).ok_or_else(|| format!("`{text}` is not a status code"))
    };
    let mut ranges = Vec::new();
    for part in codes.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (one(first)?, one(last)?);
        for code in [first, last] {
            if !(200..=499).contains(&code) {
                return Err(format!("{code} cannot be a healthy status: a load balancer takes 200 to 499"));
            }
        }
        if first > last {
            return Err(format!("`{part}` ends before it begins"));
        }
        ranges.push((first, last));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples are from the Elastic Load Balancing API reference, Matcher. One is what others use (`200-299,301`).
    #[test]
    fn codes_are_as_aws_writes_them() {
        assert_eq!(ranges("200"), Ok(vec![(200, 200)]));
        assert_eq!(ranges("200,202"), Ok(vec![(200, 200), (202, 202)]));
        assert_eq!(ranges("200-299"), Ok(vec![(200, 299)]));
        assert_eq!(ranges("200-299,301"), Ok(vec![(200, 299), (301, 301)]));
        for (codes, wrong) in [
            ("", "`` is not a status code"),
            ("200,", "`` is not a status code"),
            ("2xx", "`2xx` is not a status code"),
            ("200..299", "`200..299` is not a status code"),
            ("+20", "`+20` is not a status code"),
            ("200-299-300", "`299-300` is not a status code"),
            ("299-200", "`299-200` ends before it begins"),
            ("100", "100 cannot be a healthy status: a load balancer takes 200 to 499"),
            ("200-599", "599 cannot be a healthy status: a load balancer takes 200 to 499"),
        ] {
            assert_eq!(ranges(codes), Err(wrong.to_owned()), "{codes}");
        }
        let list = Codes::List(vec![Code::One(200), Code::Text("301 - 302".into())]);
        assert_eq!(list.to_string(), "200,301-302");
    }
}
