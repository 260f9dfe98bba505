//! The text of a stack file before it is YAML, and the text of messages about it.

use super::{Position, Problem};
use crate::printer::shown;

/// The most characters of a value that a message shows.
const SHOWN: usize = 400;

/// The place where the file ends. The error is the first character that has no place in a text file. A terminal would
/// take some of them for commands.
pub(super) fn end(text: &str) -> Result<Position, Problem> {
    let mut at = Position { line: 1, column: 1 };
    let mut characters = text.chars().peekable();
    while let Some(found) = characters.next() {
        match found {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' => at = Position { line: at.line + 1, column: 1 },
            '\0' => return Err(Problem::new(at, "a NUL character: this is not a text file")),
            c if c.is_control() && c != '\t' => {
                let what = format!("a control character (U+{:04X}): this is not a text file", u32::from(c));
                return Err(Problem::new(at, what));
            }
            _ => at.column += 1,
        }
    }
    Ok(at)
}

/// The text on one line of a terminal, whatever the file holds, and not too long.
pub(super) fn short(what: &str) -> String {
    match what.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", shown::line(&what[..end])),
        None => shown::line(what).into_owned(),
    }
}
