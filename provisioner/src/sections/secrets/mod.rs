//! `secrets:`, values that nobody chooses and nobody has to know: generated once, and never shown.
//!
//! [`aws`]: a secret in Secrets Manager. On this machine the value is in `keys.json` of the state directory.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;

use schemars::JsonSchema;
use serde::Deserialize;

/// A secret that is generated once: 32 random bytes in base64url. A service that uses the secret `admin-key` gets its
/// value as `ADMIN_KEY`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {}

/// How many bytes are random in a generated secret.
pub(crate) const BYTES: usize = 32;

/// The secret in Secrets Manager that holds the value.
pub(crate) fn value(name: &str) -> String {
    format!("{name}-value")
}
