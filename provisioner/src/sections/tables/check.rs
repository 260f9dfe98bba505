//! Checks `tables:`. The limits are those of the DynamoDB developer guide, "Quotas" and "Naming rules".

use std::collections::BTreeMap;

use super::key::{Key, Type};
use super::{ENGINE, Table};
use crate::sections::say::Say;
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack};
use crate::yaml::below;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    // The engine is a part on a laptop, beside those that have the names of the stack file.
    let taken = stack.usable().into_iter().filter(|(_, name)| name.0 == ENGINE && !stack.tables.is_empty());
    for (section, name) in taken {
        say.taken(section, name);
    }
    for (name, table) in &stack.tables {
        let path = format!("/tables/{name}");
        key(&path, "key", &table.key, say);
        indexes(&path, table, say);
        types(&path, table, say);
        if let Some(attribute) = &table.ttl {
            ttl(&path, attribute, table, say);
        }
        readers(stack, name, say);
    }
}

/// The most indexes of a table.
const INDEXES: usize = 20;
/// The longest name of an attribute that is part of a key, in bytes.
const ATTRIBUTE: usize = 255;
/// The shortest name of an index.
const INDEX: usize = 3;
/// The most functions that take one stream: with more readers of a shard, DynamoDB refuses some (developer guide,
/// "Reading and processing a stream").
const READERS: usize = 2;

fn key(path: &str, member: &str, key: &Key, say: &mut Say<'_>) {
    let place = format!("{path}/{member}");
    if !(1..=2).contains(&key.0.len()) && say.sound(&place) {
        let what = format!("a key has one attribute or two, and this has {}", key.0.len());
        say.problem(place.clone(), what, Some("the partition key, and after it the sort key: `{ id: number }`".into()));
    }
    for (attribute, _) in &key.0 {
        if !(1..=ATTRIBUTE).contains(&attribute.len()) {
            let what = format!(
                "the name of an attribute of a key has 1 to {ATTRIBUTE} bytes, and this has {}",
                attribute.len()
            );
            say.problem(below(&place, attribute), what, None);
        }
    }
}

fn indexes(path: &str, table: &Table, say: &mut Say<'_>) {
    if table.indexes.len() > INDEXES {
        let what = format!("{} indexes, more than the {INDEXES} of a table", table.indexes.len());
        say.problem(format!("{path}/indexes"), what, None);
    }
    for (name, of) in &table.indexes {
        key(&format!("{path}/indexes"), &name.0, of, say);
        if name.0.len() < INDEX {
            let what =
                format!("the name of an index has at least {INDEX} characters, and `{name}` has {}", name.0.len());
            say.problem(format!("{path}/indexes/{name}"), what, None);
        }
    }
}

/// Refuses an attribute that one key says is a number and another one a text: a table knows one type for each.
fn types(path: &str, table: &Table, say: &mut Say<'_>) {
    let mut seen: BTreeMap<&str, Type> = table.key.0.iter().map(|(name, of)| (name.as_str(), *of)).collect();
    for (index, key) in &table.indexes {
        for (attribute, of) in &key.0 {
            let first = *seen.entry(attribute).or_insert(*of);
            if first != *of {
                let what =
                    format!("`{attribute}` is a {} here, and a {} in another key of the table", word(*of), word(first));
                let place = below(&format!("{path}/indexes/{index}"), attribute);
                say.problem(place, what, Some("an attribute has one type in all keys".into()));
            }
        }
    }
}

fn word(of: Type) -> &'static str {
    match of {
        Type::String => "string",
        Type::Number => "number",
        Type::Binary => "binary",
    }
}

fn ttl(path: &str, attribute: &str, table: &Table, say: &mut Say<'_>) {
    let place = format!("{path}/ttl");
    let of_key = table.key.0.iter().find(|(name, _)| name == attribute);
    if !(1..=ATTRIBUTE).contains(&attribute.len()) {
        say.problem(place, format!("the name of an attribute has 1 to {ATTRIBUTE} bytes"), None);
    } else if let Some((_, of)) = of_key.filter(|(_, of)| *of != Type::Number) {
        // DynamoDB takes it, and then deletes nothing.
        let what =
            format!("`{attribute}` is a {} of the key, and an expiry is a number of seconds since 1970", word(*of));
        say.problem(place, what, Some("name another attribute".into()));
    }
}

fn readers(stack: &Stack, table: &Name, say: &mut Say<'_>) {
    let takers: Vec<&Name> = stack.takers_of(table).map(|(name, _)| name).collect();
    for name in takers.iter().skip(READERS) {
        let what = format!(
            "{} functions take the stream of `{table}`, and a stream has {READERS} readers at most",
            takers.len()
        );
        let hint = "let one of them publish to a topic that the others take";
        say.problem(format!("/functions/{name}/on/table"), what, Some(hint.into()));
    }
}
