//! The reason why something failed, as far as AWS knows it.

use serde::Serialize;

use crate::aws::Error;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// The cause to read first: the one reason below all others, where it can be told.
    pub cause: Option<String>,
    /// Events, reasons and log lines, the most helpful first.
    pub lines: Vec<String>,
    /// The evidence that could not be read, and why not.
    pub unread: Vec<String>,
}

impl Evidence {
    /// The answer to a question for evidence. If it was refused, the refusal is noted in `unread`.
    pub fn read<T>(&mut self, what: &str, result: Result<T, impl Into<Error>>) -> Option<T> {
        match result.map_err(Into::into) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.unread.push(format!("{what} could not be read: {error}"));
                None
            }
        }
    }

    pub fn add(&mut self, other: Evidence) {
        self.cause = self.cause.take().or(other.cause);
        self.lines.extend(other.lines);
        self.unread.extend(other.unread);
    }
}
