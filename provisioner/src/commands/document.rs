//! What the JSON forms share.

use serde::Serialize;

/// The version of the JSON forms. It grows with every change that a reader could trip over.
pub(crate) const VERSION: u32 = 1;

pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
