//! Finds the place in the file of one character of a scalar.

use super::Position;

/// The place of the character `offset` (from 0) of the scalar at `at`. An offset behind the last character gives the
/// end of the scalar. The place is as exact as the form of the scalar allows: for an alias it is the alias.
pub fn inside(text: &str, at: Position, offset: usize) -> Position {
    let mut source = Source { text, at: Position { line: 1, column: 1 } };
    while source.at < at && source.take().is_some() {}
    if let Some(block) = block_before(text, at) {
        return in_block(source, &block, offset);
    }
    source.skip_properties();
    match source.peek() {
        Some('*') => at,
        Some(quote @ ('\'' | '"')) => {
            source.take();
            in_flow(source, Some(quote), offset)
        }
        _ => in_flow(source, None, offset),
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    /// The place of the next character.
    at: Position,
}

impl Source<'_> {
    fn peek(&self) -> Option<char> {
        self.text.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.text.chars();
        let next = chars.next()?;
        self.text = chars.as_str();
        self.at = match next {
            '\n' => Position { line: self.at.line + 1, column: 1 },
            _ => Position { column: self.at.column + 1, ..self.at },
        };
        Some(next)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> usize {
        let mut taken = 0;
        while self.peek().is_some_and(&wanted) {
            self.take();
            taken += 1;
        }
        taken
    }

    /// Skips an anchor and a tag before the scalar.
    fn skip_properties(&mut self) {
        while matches!(self.peek(), Some('&' | '!')) {
            self.take_while(|c| !c.is_whitespace());
            self.take_while(char::is_whitespace);
        }
    }
}

/// The place in a plain scalar, or in one in quotes. A line end with the spaces around it is one space. Several line
/// ends are one line end less.
fn in_flow(mut source: Source<'_>, quote: Option<char>, offset: usize) -> Position {
    let mut seen = 0;
    while seen < offset {
        let before = source;
        match (source.take(), quote) {
            (None, _) => return before.at,
            (Some('\''), Some('\'')) if source.peek() == Some('\'') => {
                source.take();
                seen += 1;
            }
            (Some(end), Some(quote)) if end == quote => return before.at,
            (Some('\\'), Some('"')) => seen += escaped(&mut source),
            (Some('\n'), None) if is_over(source) => return before.at,
            (Some(' ' | '\t' | '\r' | '\n'), _) => {
                let mut ahead = before;
                ahead.take_while(|c| matches!(c, ' ' | '\t' | '\r'));
                if ahead.peek() != Some('\n') {
                    seen += 1;
                    continue;
                }
                let mut lines = 0;
                while ahead.peek() == Some('\n') {
                    ahead.take();
                    lines += 1;
                    ahead.take_while(|c| matches!(c, ' ' | '\t' | '\r'));
                }
                seen += std::cmp::max(1, lines - 1);
                source = ahead;
            }
            (Some(_), _) => seen += 1,
        }
    }
    source.at
}

/// Whether a plain scalar is over. It does not go beyond the end of the text.
fn is_over(source: Source<'_>) -> bool {
    source.text.trim().is_empty()
}

/// Takes an escape, behind its backslash. Returns how many characters it makes.
fn escaped(source: &mut Source<'_>) -> usize {
    let digits = match source.take() {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        // The scalar goes on in the next line.
        Some('\n') => {
            source.take_while(|c| matches!(c, ' ' | '\t'));
            return 0;
        }
        _ => 0,
    };
    for _ in 0..digits {
        source.take();
    }
    1
}

/// A block scalar, from its first line that is not empty.
struct Block {
    folded: bool,
    /// The line ends that it begins with.
    empty_lines: usize,
}

/// The block scalar whose text begins at `at`, or `None`. Such a text is the first in its line, and the last line
/// before it that is not empty ends with `|` or `>`, which digits, `+`, `-` or a comment may follow.
fn block_before(text: &str, at: Position) -> Option<Block> {
    let lines: Vec<&str> = text.lines().take(at.line).collect();
    let (own, before) = lines.split_last()?;
    let is_first = own.chars().take(at.column - 1).all(|c| c == ' ');
    let head = before.iter().rposition(|line| !line.trim().is_empty()).filter(|_| is_first)?;
    let header = before[head].split(" #").next().unwrap_or_default().trim_end();
    let header = header.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
    let folded = header.ends_with('>');
    (folded || header.ends_with('|')).then(|| Block { folded, empty_lines: before.len() - 1 - head })
}

fn in_block(mut source: Source<'_>, block: &Block, offset: usize) -> Position {
    let indent = source.at.column - 1;
    let mut seen = block.empty_lines;
    loop {
        let mut empty = true;
        while let Some(next) = source.peek().filter(|next| seen < offset && *next != '\n') {
            source.take();
            seen += 1;
            empty &= next.is_whitespace();
        }
        if seen >= offset || source.peek().is_none() {
            return source.at;
        }
        source.take();
        // In a folded scalar, the end of a line before an empty one is not a character of its own.
        let next_is_empty = source.text.trim_start_matches([' ', '\t']).starts_with('\n');
        seen += usize::from(!(block.folded && !empty && next_is_empty));
        for _ in 0..indent {
            if source.peek() == Some(' ') {
                source.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Node, parse};
    use super::*;

    /// Every character of the value that YAML makes of the text is found at its place.
    #[test]
    fn each_character_is_found() {
        for text in [
            "a: plain #text\n",
            "a: plain\n  that goes on\n",
            "a: 'it''s \"quoted\"'\n",
            "a: \"tab \\t, quote \\\", \\u00e9 and \\x41 서울\"\n",
            "a: \"goes\n   on\"\n",
            "a: |\n  { $.a =\n\n    1 }\nb: 1\n",
            "a: |2- # a comment\n\n  { $.a = 1 }\n",
            "a:\n  plain\n",
            "a: >-\n  one\n  two\n\n  three\n",
            "a: &anchor 'text'\n",
            "a: !!str 'text'\n",
            "a: {b: [x, 'y z']}\n",
        ] {
            let (value, positions) = parse(text).0.as_ref().map(Node::to_value).expect("parses");
            let pointer = if value["a"].is_string() { "/a" } else { "/a/b/1" };
            let scalar = value.pointer(pointer).and_then(|value| value.as_str()).expect("a text");
            for (offset, expected) in scalar.chars().enumerate().filter(|(_, c)| c.is_ascii_alphanumeric()) {
                let at = inside(text, positions.of(pointer), offset);
                let found = text.lines().nth(at.line - 1).and_then(|line| line.chars().nth(at.column - 1));
                let is_escaped = found == Some('\\');
                assert!(is_escaped || found == Some(expected), "{text:?}: {offset} of {scalar:?} is at {at:?}");
            }
        }
    }

    #[test]
    fn behind_the_last_character_is_the_end() {
        let at = |text: &str, offset| {
            let (_, positions) = parse(text).0.as_ref().map(Node::to_value).expect("parses");
            let Position { line, column } = inside(text, positions.of("/a"), offset);
            (line, column)
        };
        assert_eq!(at("a: 'xy'\n", 2), (1, 7));
        assert_eq!(at("a: xy\nb: 1\n", 2), (1, 6));
        assert_eq!(at("a: |-\n  xy\nb: 1\n", 2), (2, 5));
        assert_eq!(at("b: &b xy\na: *b\n", 1), (2, 4));
    }
}
