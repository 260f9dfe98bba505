//! Checks `tags:` by the rules of all services.
//! <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices>

use std::collections::BTreeMap;

use super::Stack;
use super::say::Say;
use crate::scope::KEYS_SEPARATOR;
use crate::yaml::below;

/// The most tags of a stack file. A resource has up to 50, and some of those are provision's own.
const MOST: usize = 40;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

pub(super) fn check(stack: &Stack, say: &mut Say<'_>) {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for (key, value) in &stack.tags {
        let place = || below("/tags", key);
        if let Some(what) = key_problem(key) {
            say.problem(place(), format!("the key `{key}` {what}"), None);
        }
        if let Some(what) = problem(value, LONGEST_VALUE) {
            say.problem(place(), format!("the value of `{key}` {what}"), None);
        }
        if let Some(other) = known.insert(key.to_lowercase(), key) {
            let what = format!("IAM does not tell `{key}` from `{other}`");
            say.problem(place(), what, Some("leave one of them out".into()));
        }
    }
    if stack.tags.len() > MOST {
        say.problem("/tags".into(), format!("there are {} tags, more than {MOST}", stack.tags.len()), None);
    }
    let keys: usize = stack.tags.keys().map(|key| key.chars().count() + 1).sum();
    if keys > LONGEST_VALUE {
        let what = format!("the keys have {keys} characters together, more than {LONGEST_VALUE}");
        say.problem("/tags".into(), what, Some("they are noted in a tag of their own, `provision:tags`".into()));
    }
}

fn key_problem(key: &str) -> Option<String> {
    let lower = key.to_lowercase();
    if lower.starts_with("aws:") || lower.starts_with("provision:") || lower == "name" {
        return Some("is not yours to set".to_owned());
    }
    if key.contains(KEYS_SEPARATOR) {
        return Some(format!("has a `{KEYS_SEPARATOR}` in it"));
    }
    problem(key, LONGEST_KEY)
}

fn problem(text: &str, longest: usize) -> Option<String> {
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    if text.is_empty() || text.trim() != text {
        return Some("is empty, or has a space at its beginning or end".to_owned());
    }
    if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
        return Some(format!(
            "has a `{}`: letters, digits, spaces and _ . : / = + - @ are allowed",
            odd.escape_debug()
        ));
    }
    let length = text.chars().count();
    (length > longest).then(|| format!("has {length} characters, more than {longest}"))
}
