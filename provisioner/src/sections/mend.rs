//! Mends the mistakes of form in a stack file, so that the rest of it can be checked in the same run. The caller tells
//! each mistake. Here another value stands in for the wrong one. [`Mended`] says where, so that nothing is said about a
//! value that nobody wrote.
//!
//! The likeliest value stands in: `form:` becomes `from:`, `Orders` becomes `orders`, `from: rings` becomes `from:
//! [rings]`, the number 5 becomes the text `5`. A guess is checked like every other value. If there is nothing to
//! guess, the default stands in, or an empty value.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::schema::{allows, known_keys, property as schema_of};
use super::similar::similar;
use crate::yaml::{Data, Node, below};

/// The places where a stack is not what its file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mended {
    /// The JSON pointers of the values that were taken out or replaced.
    places: BTreeSet<String>,
    /// Names that stood in those values. A reference to one of them is not dangling.
    names: BTreeSet<String>,
    /// The JSON pointers of guesses.
    guesses: BTreeSet<String>,
}

/// The most unknown keys of a map that are guessed at. If there are more, each of them is taken out.
const GUESSES: usize = 200;

impl Mended {
    /// Whether the value, or something that holds it, is not what the file says.
    pub(super) fn is(&self, pointer: &str) -> bool {
        let mut within = pointer;
        loop {
            if self.places.contains(within) {
                return true;
            }
            match within.rfind('/') {
                Some(end) => within = &within[..end],
                None => return false,
            }
        }
    }

    /// Whether the value, or anything in it or around it, is not what the file says.
    pub(super) fn touches(&self, pointer: &str) -> bool {
        let inside = format!("{pointer}/");
        self.is(pointer) || self.places.range(inside.clone()..).next().is_some_and(|place| place.starts_with(&inside))
    }

    /// Whether this name stood in something that was taken out or replaced.
    pub(super) fn knew(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Forgets the places for which an environment has a value of its own: that value is what the file says.
    pub(super) fn overlaid(&mut self, over: &Value) {
        self.places.retain(|place| over.pointer(place).is_none());
    }

    /// Whether the error is at a place that was mended. The mistake of the file was told already; this one is ours.
    pub(super) fn answers_for(&self, error: &ValidationError<'_>) -> bool {
        let mut pointer = error.instance_path().to_string();
        if let ValidationErrorKind::Required { property } = error.kind() {
            pointer = below(&pointer, property.as_str().unwrap_or_default());
        }
        self.guesses.contains(&pointer) || self.is(&pointer)
    }

    /// Mends the tree by what its validation said. Says whether there is anything left to try.
    pub(super) fn mend(&mut self, root: &mut Node, errors: &[&ValidationError<'_>], schema: &Value) -> bool {
        let mut fixes = Fixes::default();
        for error in errors {
            let pointer = error.instance_path().to_string();
            if !self.fix(&pointer, error, schema, &mut fixes) {
                return false;
            }
        }
        fixes.apply(root, &mut self.names);
        !errors.is_empty()
    }

    fn fix(&mut self, pointer: &str, error: &ValidationError<'_>, schema: &Value, fixes: &mut Fixes) -> bool {
        let value = error.instance().as_ref();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                self.keys(pointer, error, unexpected, schema, fixes);
                true
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let place = below(pointer, key);
                if !self.places.insert(place) {
                    return self.give_up(pointer, fixes);
                }
                let standing_in = placeholder(schema_of(schema, error.schema_path().as_str(), key));
                fixes.at(pointer).inserted.push((key.to_owned(), standing_in));
                true
            }
            _ if self.guesses.remove(pointer) || self.places.contains(pointer) => self.give_up(pointer, fixes),
            ValidationErrorKind::Pattern { pattern } if pattern.starts_with("^[a-z]([a-z0-9]") => {
                let name = as_name(value.as_str().unwrap_or_default());
                self.guess(pointer, Data::Scalar(name.into()), fixes)
            }
            ValidationErrorKind::Type { kind } => match (value, kind) {
                (Value::Number(_) | Value::Bool(_), kind) if allows(kind, JsonType::String) => {
                    self.guess(pointer, Data::Scalar(value.to_string().into()), fixes)
                }
                (Value::String(_), kind) if allows(kind, JsonType::Array) => {
                    fixes.at(pointer).action = Some(Action::Wrap);
                    self.guesses.insert(pointer.to_owned());
                    true
                }
                (_, kind) if allows(kind, JsonType::Object) => self.replace(pointer, Data::Map(Vec::new()), fixes),
                (_, kind) if allows(kind, JsonType::Array) => self.replace(pointer, Data::List(Vec::new()), fixes),
                (_, kind) if allows(kind, JsonType::String) => self.replace(pointer, Data::Scalar("x".into()), fixes),
                _ => self.give_up(pointer, fixes),
            },
            _ => self.give_up(pointer, fixes),
        }
    }

    /// Replaces each unknown key with a known key that is near it, or takes it out.
    fn keys(
        &mut self,
        pointer: &str,
        error: &ValidationError<'_>,
        unexpected: &[String],
        schema: &Value,
        fixes: &mut Fixes,
    ) {
        let known = known_keys(schema, error.schema_path().as_str());
        let here = fixes.at(pointer);
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for key in unexpected {
            let near = match known.is_empty() {
                _ if unexpected.len() > GUESSES => None,
                true => Some(as_name(key)),
                false => similar(key, known.iter().map(String::as_str)).map(str::to_owned),
            };
            let free = |near: &String| error.instance().get(near).is_none() && !taken.contains(near);
            match near.filter(free) {
                Some(near) => {
                    taken.insert(near.clone());
                    // A value of another form was not meant for this key. A name says nothing about its value.
                    if !known.is_empty() {
                        self.guesses.insert(below(pointer, &near));
                    }
                    here.inner.entry(key.clone()).or_default().action = Some(Action::Rename(near));
                }
                None => {
                    self.places.insert(below(pointer, key));
                    here.inner.entry(key.clone()).or_default().action = Some(Action::Remove);
                }
            }
        }
    }

    fn guess(&mut self, pointer: &str, data: Data, fixes: &mut Fixes) -> bool {
        self.guesses.insert(pointer.to_owned());
        fixes.at(pointer).action = Some(Action::Put(data));
        true
    }

    fn replace(&mut self, pointer: &str, data: Data, fixes: &mut Fixes) -> bool {
        self.places.insert(pointer.to_owned());
        fixes.at(pointer).action = Some(Action::Put(data));
        true
    }

    /// Takes the value out. If it is in a list, the whole list is taken out, because the places behind it would move.
    fn give_up(&mut self, pointer: &str, fixes: &mut Fixes) -> bool {
        let mut out = pointer;
        while let Some((around, last)) = out.rsplit_once('/') {
            let is_item = last.bytes().all(|byte| byte.is_ascii_digit());
            if !is_item && fixes.at(out).action.is_none() {
                self.places.insert(out.to_owned());
                fixes.at(out).action = Some(Action::Remove);
                return true;
            }
            if !is_item {
                return true;
            }
            out = around;
        }
        false
    }
}

/// The nearest text that is a name: `Orders_DB` becomes `orders-db`.
pub(super) fn as_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let name: String = parts.collect::<Vec<_>>().join("-").chars().take(40).collect();
    match name.trim_end_matches('-') {
        "" => "x".to_owned(),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("x-{name}").chars().take(40).collect(),
        name => name.to_owned(),
    }
}

fn placeholder(schema: &Value) -> Data {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => Data::Map(Vec::new()),
        Some("array") => Data::List(Vec::new()),
        _ => Data::Scalar("x".into()),
    }
}

/// The fix of a value, and those of the values inside of it, by the keys that lead there.
#[derive(Default)]
struct Fixes {
    action: Option<Action>,
    inserted: Vec<(String, Data)>,
    inner: BTreeMap<String, Fixes>,
}

enum Action {
    Remove,
    Rename(String),
    Put(Data),
    /// Wraps the value: it becomes the only element of a list.
    Wrap,
}

impl Fixes {
    fn at(&mut self, pointer: &str) -> &mut Fixes {
        let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
        parts.fold(self, |fixes, part| fixes.inner.entry(part).or_default())
    }

    /// Applies all fixes in one walk, whatever their number.
    fn apply(mut self, node: &mut Node, names: &mut BTreeSet<String>) {
        match self.action.take() {
            Some(Action::Put(data)) => {
                names.extend(names_in(node));
                node.data = data;
                return;
            }
            Some(Action::Wrap) => {
                let inner = node.clone();
                node.data = Data::List(vec![inner]);
                return;
            }
            Some(Action::Remove | Action::Rename(_)) | None => {}
        }
        match &mut node.data {
            Data::Scalar(_) => {}
            Data::List(items) => {
                for (index, fixes) in self.inner {
                    if let Some(item) = index.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                        fixes.apply(item, names);
                    }
                }
            }
            Data::Map(entries) => {
                entries.retain_mut(|(key, _, node)| {
                    let Some(fixes) = self.inner.remove(key) else { return true };
                    match &fixes.action {
                        Some(Action::Remove) => {
                            names.extend(names_in(node));
                            return false;
                        }
                        Some(Action::Rename(other)) => *key = other.clone(),
                        _ => {}
                    }
                    fixes.apply(node, names);
                    true
                });
                let at = node.at;
                entries.extend(self.inserted.into_iter().map(|(key, data)| (key, at, Node { at, data })));
            }
        }
    }
}

/// The names in a section, whether it is a map or should have been one.
fn names_in(node: &Node) -> Vec<String> {
    match &node.data {
        Data::Scalar(_) => Vec::new(),
        Data::Map(entries) => entries.iter().map(|(key, ..)| key.clone()).collect(),
        Data::List(items) => items
            .iter()
            .filter_map(|item| match &item.data {
                Data::Scalar(Value::String(text)) => Some(vec![text.clone()]),
                Data::Map(entries) => {
                    let named = entries.iter().find(|(key, ..)| key == "name");
                    match named.map(|(.., node)| &node.data) {
                        Some(Data::Scalar(Value::String(name))) => Some(vec![name.clone()]),
                        _ => Some(entries.iter().map(|(key, ..)| key.clone()).collect()),
                    }
                }
                _ => None,
            })
            .flatten()
            .collect(),
    }
}
