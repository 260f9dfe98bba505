//! The version and the form that all JSON documents share.

use serde::Serialize;

use crate::printer::{Document, shown};

/// The version of the JSON documents. It grows with every change that could break a reader.
pub(crate) const VERSION: u32 = 1;

/// A value as JSON. Within its strings a character that a terminal would obey is an escape, so it is the same value.
pub(crate) fn pretty<T: Serialize>(value: &T) -> Document {
    Document(shown::lines(&serde_json::to_string_pretty(value).unwrap_or_default()).into_owned())
}
