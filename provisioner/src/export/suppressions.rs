//! What scanners want and do not get, with the reason, written into the template where they look for it.

use serde_json::{Map, Value, json};

use super::template::Resource;

#[derive(Clone, Copy)]
pub(super) struct Suppression {
    scanner: Scanner,
    rule: &'static str,
    /// The kind of resource.
    of: &'static str,
    reason: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scanner {
    Checkov,
    Guard,
}

static ALL: &[Suppression] = &[];

pub(super) fn of(resource: &Resource) -> Vec<Suppression> {
    ALL.iter().filter(|suppression| suppression.of == resource.kind).copied().collect()
}

impl Suppression {
    pub(super) fn metadata(all: &[Suppression]) -> Value {
        let mut metadata = Map::new();
        let of = |scanner| all.iter().filter(move |suppression| suppression.scanner == scanner);
        let skip: Vec<Value> = of(Scanner::Checkov).map(|it| json!({"id": it.rule, "comment": it.reason})).collect();
        if !skip.is_empty() {
            metadata.insert("checkov".into(), json!({"skip": skip}));
        }
        let rules: Vec<&str> = of(Scanner::Guard).map(|it| it.rule).collect();
        if !rules.is_empty() {
            let reasons: Map<String, Value> =
                of(Scanner::Guard).map(|it| (it.rule.to_owned(), it.reason.into())).collect();
            metadata.insert("guard".into(), json!({"SuppressedRules": rules, "Reasons": reasons}));
        }
        Value::Object(metadata)
    }
}
