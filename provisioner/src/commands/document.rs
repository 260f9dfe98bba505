//! The version and the form that all JSON documents share.

use serde::Serialize;

/// The version of the JSON documents. It grows with every change that could break a reader.
pub(crate) const VERSION: u32 = 1;

pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
