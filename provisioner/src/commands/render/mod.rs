//! A plan as text, as Markdown and as JSON.

mod json;
mod markdown;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub(crate) use self::json::{json, schema};
pub(crate) use self::markdown::markdown;
pub(crate) use self::text::text;
