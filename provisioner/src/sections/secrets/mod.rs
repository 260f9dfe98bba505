//! `secrets:`, values that are never shown. Most are generated once, so that nobody chooses them and nobody has to know
//! them. Others are of secrets in Secrets Manager that somebody else made, and the stack only reads these.
//!
//! [`aws`]: a secret in Secrets Manager. On this machine every value is generated, and is in `keys.json` of the state
//! directory: [`local`] says so of those that somebody else makes on AWS.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Stack;

/// A secret that is generated once: 32 random bytes in base64url. With `from` it is a secret that somebody else made. A
/// service that uses the secret `admin-key` gets its value as `ADMIN_KEY`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The name, or the whole ARN, of a secret in Secrets Manager that somebody else made. It has to be there before
    /// `up`. It is only read: nothing changes, tags or deletes it. With `--local` the value is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "String",
        regex(
            pattern = r"^(arn:aws(-[a-z]+)*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}|[A-Za-z0-9/_+=.@-]{1,512})$"
        )
    )]
    pub from: Option<String>,
}

impl Stack {
    /// The secrets that somebody else made: the name of each in the stack, and its name or ARN in Secrets Manager.
    pub(crate) fn existing_secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets.iter().filter_map(|(name, secret)| Some((name.0.as_str(), secret.from.as_deref()?)))
    }
}

/// How many bytes are random in a generated secret.
pub(crate) const BYTES: usize = 32;

/// The secret in Secrets Manager that holds the value.
pub(crate) fn value(name: &str) -> String {
    format!("{name}-value")
}
