//! Text from outside in a form that a terminal may get: names, tags, log lines, the words of AWS and of engines.
//!
//! A terminal obeys control characters. It can be cleared, renamed, or made to show other words than there are. Direction
//! marks change the order of the words around them. So each such character is shown as an escape, as in `\u001b`. JSON and
//! YAML within double quotes have the same escape: there the text keeps its meaning.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::LazyLock;

/// The text on one line.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// The text, with its own line ends and tabs.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && !matches!(c, '\n' | '\t'))
}

/// Whether a terminal obeys the character, or the character changes the order of those beside it, or it ends a line in
/// some programs.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with an escape for each of these characters. All escapes of this program are made here.
pub(crate) fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut told = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !hidden(c) => told.push(c),
            '\n' => told.push_str("\\n"),
            '\r' => told.push_str("\\r"),
            '\t' => told.push_str("\\t"),
            c => drop(write!(told, "\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(told)
}

/// The marker in front of each code of our own colours. Text from outside cannot hold it, because each process draws
/// another one, and nobody outside knows it.
static OURS: LazyLock<String> =
    LazyLock::new(|| format!("\x1b{:016x}", std::hash::RandomState::new().hash_one("colours")));

/// The text in a colour, by its number. Only [`coloured`] makes it a code that terminals know.
pub(super) fn paint(number: &str, text: &str) -> String {
    format!("{0}[{number}m{text}{0}[0m", *OURS)
}

/// The text with our own colours, and everything else by `shown`.
pub(super) fn coloured(text: &str, shown: impl Fn(&str) -> Cow<'_, str>) -> String {
    let mut parts = text.split(OURS.as_str());
    let mut told = shown(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        match part.split_once('m') {
            Some((code, rest)) => {
                told.push('\x1b');
                told.push_str(code);
                told.push('m');
                told.push_str(&shown(rest));
            }
            None => told.push_str(&shown(part)),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_an_escape() {
        let foreign = "a\x1b[2J\u{9b}2J\u{7f}\r\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\0\tb\nc";
        let told = "a\\u001b[2J\\u009b2J\\u007f\\r\\u202e\\u2066\\u200f\\u061c\\u2028\\u0000";
        assert_eq!(line(foreign), format!("{told}\\tb\\nc"));
        assert_eq!(lines(foreign), format!("{told}\tb\nc"));
        assert!(!line(foreign).contains(acts));
    }

    #[test]
    fn other_text_stays_as_it_is() {
        // Hebrew, a family of emoji (joined by U+200D), and a combining accent.
        let text = "שלום 👨‍👩‍👧 e\u{301} \u{feff}ü 한 \\u001b";
        assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
    }

    /// Each code point, so that no character of these sorts is forgotten.
    #[test]
    fn no_control_character_and_no_direction_mark_is_left_out() {
        let sorts = (0..0x20).chain(0x7f..0xa0).chain(0x202a..=0x202e).chain(0x2066..=0x2069);
        for number in sorts.chain([0x200e, 0x200f, 0x61c]) {
            let c = char::from_u32(number).expect("a character");
            assert!(acts(c), "{number:x}");
        }
    }

    #[test]
    fn an_escape_within_json_is_the_same_text() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}\u{7f}\x1b \n"});
        let text = value.to_string();
        assert!(text.contains(acts));
        let told = line(&text);
        assert!(!told.contains(acts), "{told}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).expect("it is JSON"), value);
    }

    #[test]
    fn only_our_own_colours_are_codes() {
        let text = format!("{} \x1b[31mred\x1b[0m", paint("32", "a\x1b[0mb\nc"));
        assert_eq!(coloured(&text, line), "\x1b[32ma\\u001b[0mb\\nc\x1b[0m \\u001b[31mred\\u001b[0m");
        let cut = OURS.as_str();
        assert_eq!(coloured(&cut[..9], line), format!("\\u001b{}", &cut[1..9]), "a code that was cut is no code");
    }
}
