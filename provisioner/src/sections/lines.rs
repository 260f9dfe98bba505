//! The lines of a stack file, and the stack that it would be if one of them said something else. A line is the reason
//! for everything that it changes. This needs no list of what depends on what.

use std::sync::Arc;

use serde_json::Value;

use super::check::check;
use super::load::{in_environment, whole_numbers};
use super::mend::Mended;
use super::services::roles;
use super::words::Profile;
use super::{Loaded, Stack};
use crate::yaml::{self, Position, Positions, below};

/// A stack file in one environment, line by line.
pub struct Lines {
    value: Value,
    positions: Arc<Positions>,
    text: Arc<str>,
    env: String,
    profile: Profile,
    profile_at: Option<Position>,
}

/// A value in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pointer: String,
    pub at: Position,
}

impl Leaf {
    /// The key of the line: `queues.work.max_receives`.
    pub fn key(&self) -> String {
        self.pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
    }

    /// The sections that the line may be in: `queues` and `queues.work` for `queues.work.from.0`.
    pub fn sections(&self) -> [String; 2] {
        let mut parts = self.pointer.split('/').skip(1);
        let outer = parts.next().unwrap_or_default();
        [outer.to_owned(), format!("{outer}.{}", parts.next().unwrap_or_default())]
    }

    /// Whether the line is below a section such as `queues.work`.
    pub fn is_in(&self, section: &str) -> bool {
        let inside = format!("/{}", section.replacen('.', "/", 1));
        self.pointer.strip_prefix(&inside).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Keys that decide about names and places, or about nothing.
const ASIDE: [&str; 6] = ["/stack", "/region", "/account", "/tags", "/environments", "/guard"];
const PROFILE: &str = "/profile";

impl Lines {
    /// The lines of the text that a stack was loaded from, or `None` if the text has no tree.
    pub fn of(loaded: &Loaded) -> Option<Lines> {
        let Loaded { env, profile, text, positions, .. } = loaded.clone();
        let root = yaml::parse(&text).0?;
        let profile_at = root.to_value().1.exactly(&below("/environments", &env));
        let mut value = in_environment(root, &env).0.to_value().0;
        whole_numbers(&mut value);
        Some(Lines { value, positions, text, env, profile, profile_at })
    }

    /// The place where a section such as `queues.work` begins.
    pub fn section(&self, section: &str) -> Option<Position> {
        self.positions.exactly(&format!("/{}", section.replacen('.', "/", 1)))
    }

    /// The place of a tag such as `tags.team`.
    pub fn tag(&self, key: &str) -> Option<Position> {
        self.positions.exactly(&below("/tags", key))
    }

    /// All values, in the order of the file.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut found = Vec::new();
        self.walk(&self.value, String::new(), &mut found);
        found.retain(|leaf| !ASIDE.iter().any(|aside| leaf.pointer.starts_with(aside)));
        found.extend(self.profile_at.map(|at| Leaf { pointer: PROFILE.to_owned(), at }));
        found.sort_by_key(|leaf| leaf.at);
        found
    }

    fn walk(&self, value: &Value, pointer: String, found: &mut Vec<Leaf>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                map.iter().for_each(|(key, inner)| self.walk(inner, below(&pointer, key), found));
            }
            Value::Array(items) if !items.is_empty() => {
                let inner = items.iter().enumerate();
                inner.for_each(|(index, item)| self.walk(item, format!("{pointer}/{index}"), found));
            }
            _ => found.extend(self.positions.exactly(&pointer).map(|at| Leaf { pointer, at })),
        }
    }

    /// The stack if this line said something else. `None` if nothing else can stand there.
    pub fn other(&self, leaf: &Leaf) -> Option<Loaded> {
        if leaf.pointer == PROFILE {
            let profile = if self.profile == Profile::Prod { Profile::Dev } else { Profile::Prod };
            return self.loaded(self.value.clone(), profile, true);
        }
        let now = self.value.pointer(&leaf.pointer)?;
        // Without one of these a role lacks a part of its needs. That does not matter here.
        let checked = !(leaf.pointer.contains("/uses/") || leaf.pointer.contains("/owns/"));
        let others = others(&leaf.pointer, now).into_iter().map(Some).chain([None]);
        others.filter_map(|other| self.loaded(self.with(leaf, other)?, self.profile, checked)).next()
    }

    fn with(&self, leaf: &Leaf, other: Option<Value>) -> Option<Value> {
        let mut value = self.value.clone();
        match other {
            Some(other) => *value.pointer_mut(&leaf.pointer)? = other,
            None => {
                let (parent, key) = leaf.pointer.rsplit_once('/')?;
                match value.pointer_mut(parent)? {
                    Value::Object(map) => drop(map.remove(&key.replace("~1", "/").replace("~0", "~"))),
                    Value::Array(items) => drop(items.remove(key.parse().ok()?)),
                    _ => return None,
                }
            }
        }
        Some(value)
    }

    fn loaded(&self, value: Value, profile: Profile, checked: bool) -> Option<Loaded> {
        let stack: Stack = serde_json::from_value(value).ok()?;
        let (env, text, positions) = (self.env.clone(), Arc::clone(&self.text), Arc::clone(&self.positions));
        let loaded = Loaded { stack, env, profile, text, positions };
        let mut problems = Vec::new();
        if checked {
            check(&loaded, &Mended::default(), &mut problems);
        }
        problems.is_empty().then_some(loaded)
    }
}

/// Other values for the place of this one. The first that makes a stack is taken.
fn others(pointer: &str, value: &Value) -> Vec<Value> {
    let refers = ["/uses/", "/owns/", "/from/"].iter().any(|list| pointer.contains(list)) || pointer == "/logs/to";
    match value {
        Value::Bool(on) => vec![Value::from(!on)],
        Value::Number(number) => {
            let near = number.as_i64().into_iter().flat_map(|number| [number + 1, number - 1]);
            near.filter(|near| *near >= 0).map(Value::from).collect()
        }
        Value::String(_) if refers => Vec::new(),
        Value::String(text) => {
            let mut all = spans(text);
            if pointer.ends_with("/role") {
                all.extend(roles::names().map(str::to_owned));
            } else if pointer.ends_with("/cidr") {
                all.extend(["10.77.0.0".to_owned(), "10.78.0.0".to_owned()]);
            } else {
                all.push(format!("{text}x"));
                all.extend(["redis", "valkey", "one", "per-zone"].map(str::to_owned));
            }
            all.into_iter().filter(|other| other != text).map(Value::from).collect()
        }
        _ => Vec::new(),
    }
}

/// Other durations, one unit longer and one shorter, if the text is a duration.
fn spans(text: &str) -> Vec<String> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    match (digits.parse::<u64>(), text.len() == digits.len() + 1) {
        (Ok(number), true) => {
            let unit = &text[digits.len()..];
            [number + 1, number.saturating_sub(1)].map(|near| format!("{near}{unit}")).to_vec()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_tried_with_something_else() {
        let text = "stack: s\nqueues:\n  work:\n    max_receives: 3\n    retention: 14d\n    fifo: true\n";
        let loaded = crate::sections::load::load(text, "dev").expect("a stack");
        let lines = Lines::of(&loaded).expect("a stack");
        let tried: Vec<String> = lines
            .leaves()
            .iter()
            .map(|leaf| {
                let queue = |loaded: Loaded| loaded.stack.queues.into_values().next().expect("a queue");
                let other = lines.other(leaf).map(queue).expect("there is something else");
                let said = format!("{} {} {}", other.receives(), other.retention_seconds(), other.fifo);
                format!("{} {}: {said}", leaf.at.line, leaf.key())
            })
            .collect();
        insta::assert_snapshot!(tried.join("\n"), @r"
        4 queues.work.max_receives: 4 1209600 true
        5 queues.work.retention: 3 1123200 true
        6 queues.work.fifo: 3 1209600 false
        ");
    }
}
