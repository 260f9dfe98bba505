//! The reason why something failed, as far as AWS knows it.

use serde::Serialize;

use crate::aws::Error;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// What to read first: the one reason below all others, where it can be told.
    pub cause: Option<String>,
    /// Events, reasons, log lines, in the order in which they help.
    pub lines: Vec<String>,
    /// What could not be read, and why not.
    pub unread: Vec<String>,
}

impl Evidence {
    /// The answer to a question for evidence. A refusal is noted.
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
