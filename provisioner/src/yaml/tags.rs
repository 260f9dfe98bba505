//! Tags. `!!str` and the other tags of YAML's core schema say what a value is. Every other tag says that the value is
//! not this text, but something that another program makes of it. `provision` is not that program.

use saphyr_parser::Tag;
use serde_json::Value;

use super::scalar;

const CORE: &str = "tag:yaml.org,2002:";

/// The problem with a tag, and what to write instead.
pub(super) type Wrong = (String, String);

/// The value of a scalar with a tag. If the tag is wrong, the text alone stands for it.
pub(super) fn tagged(text: &str, tag: &Tag) -> Result<Value, Wrong> {
    let plain = scalar(text);
    let fits = match core(tag) {
        Some("str" | "!") => return Ok(Value::from(text)),
        Some("int") => return integer(text).ok_or_else(|| unfit(text, "int", "a whole number")),
        Some("float") => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            return number.map(Value::from).ok_or_else(|| unfit(text, "float", "a number"));
        }
        Some("bool") => (plain.is_boolean(), "bool", "`true` or `false`"),
        Some("null") => (plain.is_null(), "null", "null"),
        Some("seq") => (false, "seq", "a list"),
        Some("map") => (false, "map", "a map"),
        _ => return Err(unknown(tag)),
    };
    match fits {
        (true, ..) => Ok(plain),
        (false, tag, word) => Err(unfit(text, tag, word)),
    }
}

/// The problem with the tag of a list or a map, or `None`.
pub(super) fn collection(tag: &Tag, is_list: bool) -> Option<Wrong> {
    let what = if is_list { "a list" } else { "a map" };
    match core(tag) {
        Some("!") => None,
        Some("seq") if is_list => None,
        Some("map") if !is_list => None,
        Some(known @ ("str" | "int" | "float" | "bool" | "null" | "seq" | "map")) => {
            Some((format!("{what} with the tag `!!{known}`"), "leave the tag out".to_owned()))
        }
        _ => Some(unknown(tag)),
    }
}

/// The name of a tag of the core schema. `!` says only that nothing is to be guessed.
fn core(tag: &Tag) -> Option<&str> {
    if (tag.handle.as_str(), tag.suffix.as_str()) == ("", "!")
        || (tag.handle.as_str(), tag.suffix.as_str()) == ("!", "")
    {
        return Some("!");
    }
    match tag.handle.as_str() {
        CORE => Some(&tag.suffix),
        // The tag is written out: `!<tag:yaml.org,2002:str>`.
        "" => tag.suffix.strip_prefix(CORE),
        _ => None,
    }
}

/// An integer by the core schema of YAML 1.2, which also has `0o17` and `0x1F`.
fn integer(text: &str) -> Option<Value> {
    let number = match text.get(..2) {
        Some("0o") => i64::from_str_radix(&text[2..], 8),
        Some("0x") => i64::from_str_radix(&text[2..], 16),
        _ => text.parse(),
    };
    number.ok().map(Value::from)
}

fn unfit(text: &str, tag: &str, word: &str) -> Wrong {
    (format!("`{text}` is not {word}, as the tag `!!{tag}` says"), format!("leave the tag out, or write {word}"))
}

fn unknown(tag: &Tag) -> Wrong {
    let shown = match core(tag) {
        Some(name) => format!("!!{name}"),
        None if tag.handle.starts_with('!') => format!("{}{}", tag.handle, tag.suffix),
        None => format!("!<{}{}>", tag.handle, tag.suffix),
    };
    let hint = match shown.as_str() {
        "!Ref" | "!Sub" | "!GetAtt" | "!ImportValue" | "!Join" | "!FindInMap" | "!Select" | "!If" => {
            "write the value itself; addresses and names of the stack's own parts come with `uses:`"
        }
        "!reset" | "!override" => "leave the tag out: what an environment says is laid over the rest of the file",
        _ => "write the value itself; passwords and addresses of the stack's own parts come with `uses:`",
    };
    (format!("the tag `{shown}` is not known here"), hint.to_owned())
}
