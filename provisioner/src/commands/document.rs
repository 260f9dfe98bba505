//! The version and the form that all JSON documents share.

use serde::Serialize;

use crate::printer::{Document, shown};

/// The version of the JSON documents. It grows with every change that could break a reader.
pub(crate) const VERSION: u32 = 1;

/// The version of the documents of `plan`, `up` and `down`. Version 2 has one form for AWS and for this machine: the kinds
/// of this machine are among the kinds, and a plan may be compared with this machine.
pub(crate) const PLAN_VERSION: u32 = 2;

/// A value as JSON. Within its strings a character that a terminal would obey is an escape, so it is the same value.
pub(crate) fn pretty<T: Serialize>(value: &T) -> Document {
    Document(shown::lines(&serde_json::to_string_pretty(value).unwrap_or_default()).into_owned())
}
