//! The keys that tokens are signed with.

use std::time::Duration;

use super::Environment;
use super::stores::Secret;

#[derive(Clone, Debug)]
pub struct Tokens {
    /// `TOKEN_KEY`.
    pub key: Secret,
    /// `TOKEN_KEY_PREVIOUS`: the key before. Tokens that it has signed are good until they expire.
    pub previous: Option<Secret>,
    /// `TOKEN_HOURS` (24): how long a token is good.
    pub lifetime: Duration,
}

/// The shortest key, in bytes: that of the hash. <https://www.rfc-editor.org/rfc/rfc7518#section-3.2>
const SHORTEST: usize = 32;
/// The longest life of a token, in hours: 30 days.
const LONGEST: u64 = 720;

impl Tokens {
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let hours = environment.parsed("TOKEN_HOURS", 24, "a number of hours", problems);
        if !(1..=LONGEST).contains(&hours) {
            problems.push(format!("TOKEN_HOURS is not between 1 and {LONGEST}"));
        }
        let key = Secret(environment.required("TOKEN_KEY", problems));
        let previous = environment.get("TOKEN_KEY_PREVIOUS").map(|key| Secret(key.to_owned()));
        for (name, key) in [("TOKEN_KEY", Some(&key)), ("TOKEN_KEY_PREVIOUS", previous.as_ref())] {
            if key.is_some_and(|key| (1..SHORTEST).contains(&key.0.len())) {
                problems.push(format!("{name} is shorter than {SHORTEST} bytes"));
            }
        }
        Tokens { key, previous, lifetime: Duration::from_secs(hours.saturating_mul(3600)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Tokens, Vec<String>) {
        let environment: Environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Vec::new();
        (Tokens::read(&environment, &mut problems), problems)
    }

    #[test]
    fn a_key_is_long_enough_and_shown_nowhere() {
        let key = "k".repeat(32);
        let (tokens, problems) = read(&[("TOKEN_KEY", &key), ("TOKEN_KEY_PREVIOUS", &key), ("TOKEN_HOURS", "1")]);
        assert!(problems.is_empty());
        assert_eq!(tokens.lifetime, Duration::from_secs(3600));
        assert!(!format!("{tokens:?}").contains("kkk"));
        assert_eq!(read(&[("TOKEN_KEY", &key)]).0.lifetime, Duration::from_secs(24 * 3600));
        let (_, problems) =
            read(&[("TOKEN_KEY", "hunter2"), ("TOKEN_KEY_PREVIOUS", "hunter2"), ("TOKEN_HOURS", "721")]);
        assert_eq!(
            problems,
            [
                "TOKEN_HOURS is not between 1 and 720",
                "TOKEN_KEY is shorter than 32 bytes",
                "TOKEN_KEY_PREVIOUS is shorter than 32 bytes"
            ]
        );
        assert_eq!(read(&[]).1, ["TOKEN_KEY is not set"]);
    }
}
