//! The first minutes of a key. KMS counts the tags of a key in its decisions up to five minutes late (KMS developer guide,
//! "Using tags to control access to KMS keys"). Until then a caller whose rights are bound to the tag may be refused.

use std::sync::OnceLock;
use std::time::Instant;

use super::Error;
use crate::wait::Clock;

/// How long KMS may take to count the tags of a key.
const SECONDS: u32 = 300;

/// The moment in which this run has made a key, if it has.
#[derive(Debug, Default)]
pub struct NewKey {
    made: OnceLock<Instant>,
}

impl NewKey {
    pub fn is_made(&self) {
        // A second key of the same run is made only when the first one has gone. Then the tags of that one count too.
        self.made.get_or_init(Instant::now);
    }

    /// For how many seconds it is worth trying again, because KMS may refuse only for now. `None` if it is not.
    pub fn worth_retrying(&self, clock: Clock, error: &Error) -> Option<u32> {
        let made = self.made.get()?;
        (is_of_kms(error) && !clock.is_over(*made, f64::from(SECONDS))).then_some(SECONDS)
    }
}

/// Whether KMS refused. Services that use a key for the caller pass on the refusal in words of their own.
fn is_of_kms(error: &Error) -> bool {
    let codes = ["KMSAccessDenied", "KMSAccessDeniedException", "KMSKeyNotAccessibleFault", "KmsException"];
    let is_denied = error.is_denied() || error.says("not authorized") || error.says("access denied");
    error.is(&codes) || is_denied && error.says("kms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(code: &str, message: &str) -> Error {
        Error { code: code.into(), ..Error::ours(message) }
    }

    #[test]
    fn only_a_refusal_of_kms_after_a_create_of_our_own_ends_by_itself() {
        let clock = Clock::new(1.0);
        let of_kms = denied("AccessDeniedException", "User: a is not authorized to perform: kms:CreateAlias");
        let of_secrets = denied("AccessDeniedException", "Access to KMS is not allowed");
        let of_iam = denied("AccessDenied", "User: a is not authorized to perform: iam:CreateRole");
        let key = NewKey::default();
        assert_eq!(key.worth_retrying(clock, &of_kms), None);
        key.is_made();
        assert_eq!(key.worth_retrying(clock, &of_kms), Some(SECONDS));
        assert_eq!(key.worth_retrying(clock, &of_secrets), Some(SECONDS));
        assert_eq!(key.worth_retrying(clock, &of_iam), None);
    }
}
