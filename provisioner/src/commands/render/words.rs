//! What the forms of a plan share: values and reasons in few words, without characters that a terminal takes for a
//! command.

use serde_json::Value;

use crate::kind::facts::Facts;
use crate::plan::diff::Change;
use crate::printer::shown;
use crate::review::sources::Why;
use crate::review::{Disruption, Renamed};

/// The most characters of a value that are shown. The JSON form has the whole value.
const SHOWN: usize = 60;

/// The text in a form that keeps to one line of a terminal, whatever characters it has.
pub(super) fn printable(text: &str) -> String {
    // A change of a character that has no width is a change too, and has to be seen.
    let hides = |c: char| matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}');
    shown::escaped(text, |c| shown::acts(c) || hides(c)).into_owned()
}

pub(super) fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "(unset)".to_owned(),
        // A text in brackets is not a value. It says something about one.
        Value::String(text) if text.starts_with('(') && text.ends_with(')') => text.clone(),
        other => other.to_string(),
    };
    let text = printable(&text);
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((cut, _)) => format!("{}… ({} characters)", &text[..cut], text.chars().count()),
    }
}

/// The name of a change: its path. For a thing that others have put there, what it is, and its name.
pub(super) fn named(change: &Change, facts: &Facts) -> String {
    let field = facts.field(change.field());
    match (field.and_then(|field| field.beside), change.path.split_once('.')) {
        (Some(what), Some((_, name))) => printable(&format!("{what} `{name}`")),
        _ => printable(&change.path),
    }
}

/// The value that is there, and the value that will be there instead. For two lists it shows only what comes and goes.
pub(super) fn values(change: &Change, why: &Why, arrow: &str, each: impl Fn(&str) -> String) -> String {
    match (&change.from, &change.to) {
        (Value::Array(from), Value::Array(to)) => each(&list_change(from, to)),
        (from, _) if matches!(why, Why::Beside { .. }) => format!("{} {arrow} taken away", each(&short(from))),
        (from, to) => format!("{} {arrow} {}", each(&short(from)), each(&short(to))),
    }
}

/// The resource of ours on which others have put something, and the id of that.
pub(super) fn on_of(on: &str, id: Option<&str>, each: impl Fn(&str) -> String) -> String {
    match id {
        Some(id) => format!("on {}: {}", each(on), each(id)),
        None => format!("on {}", each(on)),
    }
}

/// The members that a list loses and gets.
fn list_change(from: &[Value], to: &[Value]) -> String {
    let only = |these: &[Value], those: &[Value], sign: &str| -> Vec<String> {
        these.iter().filter(|this| !those.contains(this)).map(|this| format!("{sign} {}", short(this))).collect()
    };
    let (mut all, come) = (only(from, to, "-"), only(to, from, "+"));
    all.extend(come);
    if all.is_empty() { "in another order".to_owned() } else { all.join(", ") }
}

/// What a new name means for the resource: the words before and after the other name.
pub(super) fn renamed(renamed: &Renamed) -> (&'static str, &str, &'static str) {
    match renamed {
        Renamed::From(old) => ("renamed from ", old, "? AWS cannot rename: this one starts empty"),
        Renamed::To(new) => ("renamed to ", new, "? AWS cannot rename: this one goes with all that is in it"),
    }
}

/// The risks with their counts: `data loss 3, restart 1`.
pub(super) fn risks(risks: &[(usize, Disruption)]) -> String {
    let told = risks.iter().map(|(count, risk)| format!("{} {count}", risk.told((0, 0))));
    told.collect::<Vec<_>>().join(", ")
}

/// The reason in words, unless the heading of the section says the same already.
pub(super) fn because(why: &Why, section: Option<usize>) -> Option<String> {
    match why {
        Why::Line { line, key, .. } if key == "profile" => Some(format!("the profile, line {line}")),
        Why::Line { line, .. } => Some(format!("line {line}")),
        Why::Section { line, .. } if Some(*line) == section => None,
        Why::Section { line, .. } => Some(format!("line {line}")),
        Why::Drift => Some("no line says so: drift, or its line is gone".to_owned()),
        Why::Follows { resource } => Some(format!("follows {}", printable(resource))),
        Why::Build => Some("the runtime was built anew".to_owned()),
        Why::Account => Some("the account has a boundary for this stack".to_owned()),
        Why::Secret => Some("the secret has another version".to_owned()),
        Why::Nobody => Some("no line asks for it any more".to_owned()),
        Why::Stack => None,
        Why::Beside { .. } => Some("this stack did not make it".to_owned()),
    }
}
