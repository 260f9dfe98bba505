//! The difference of two states, field by field. It is generic, because live and wanted have the same type.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::any::AnyLive;
use crate::kind::facts::{Class, Effect, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::scope::Scope;

/// A difference in one field. `path` starts with the name of the field: `policy.Statement`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    pub from: Value,
    pub to: Value,
    pub effect: Effect,
}

impl Change {
    pub fn field(&self) -> &str {
        self.path.split('.').next().unwrap_or(&self.path)
    }
}

/// The field under which tags are shown, whatever the kind.
pub const TAGS: &str = "tags";

/// All changes that a live resource needs: those of its fields, and those of its tags.
pub fn changes(scope: &Scope, facts: &Facts, live: &AnyLive, want: &Json) -> Vec<Change> {
    let mut changes = diff(facts, &live.state, want);
    if let Owner::Tagged(tags) = &live.owner {
        let retags = scope.retags(tags).into_iter();
        changes.extend(retags.map(|(key, from, to)| Change {
            path: format!("{TAGS}.{key}"),
            from: from.into(),
            to: to.into(),
            effect: Effect::InPlace,
        }));
    }
    changes
}

/// The changes that make `live` into `want`. A wanted field that is not set keeps its live value.
pub fn diff(facts: &Facts, live: &Json, want: &Json) -> Vec<Change> {
    let mut changes = Vec::new();
    if live == want {
        return changes;
    }
    let (live, want) = (live.tree(), want.tree());
    for field in facts.fields {
        let (from, to) = (&live[field.name], &want[field.name]);
        if to.is_null() || from == to {
            continue;
        }
        // A snapshot that an earlier version wrote says nothing about what others have put beside the resource.
        if field.beside.is_some() && from.is_null() {
            continue;
        }
        match field.class {
            Class::Theirs => {}
            // The field got a default when the resource was made. Its value is kept, whatever it has become.
            Class::ChosenOnce if !from.is_null() => {}
            Class::ChosenOnce | Class::Wanted => {
                let first = changes.len();
                compare(field.name, from, to, field.effect, &mut changes);
                if field.hidden {
                    changes[first..].iter_mut().filter(|change| !change.from.is_null()).for_each(hide);
                }
            }
            Class::WriteOnly => changes.push(Change {
                path: field.name.to_owned(),
                from: Value::from("(a secret)"),
                to: Value::from("(another version of the secret)"),
                effect: field.effect,
            }),
        }
    }
    changes
}

fn hide(change: &mut Change) {
    change.from = Value::from("(not shown)");
}

/// Compares two values. It goes into objects, so that one changed member of a long document is shown as just that.
pub(crate) fn compare(path: &str, from: &Value, to: &Value, effect: Effect, changes: &mut Vec<Change>) {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        if from != to {
            changes.push(Change { path: path.to_owned(), from: from.clone(), to: to.clone(), effect });
        }
        return;
    };
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let inner = format!("{path}.{key}");
        compare(&inner, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), effect, changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::facts::Field;
    use serde_json::json;

    const FACTS: Facts = Facts {
        name: "test.thing",
        fields: &[
            Field::wanted("size"),
            Field::fixed("key"),
            Field::chosen("zone"),
            Field::theirs("count"),
            Field::write_only("password_version"),
            Field::wanted("policy"),
            Field::wanted("environment").hidden(),
            Field::beside("inline_policies", "inline policy"),
        ],
        ..Facts::DEFAULT
    };

    fn changes(live: Value, want: Value) -> Vec<Change> {
        diff(&FACTS, &Json::of(&live), &Json::of(&want))
    }

    fn paths(live: Value, want: Value) -> Vec<String> {
        changes(live, want).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn each_class_compares_as_it_says() {
        let live = json!({"size": 1, "key": "a", "zone": "z1", "count": 5, "password_version": "v1", "policy": {"a": 1, "b": [1]}});
        let want = json!({"size": 2, "key": null, "zone": "z2", "count": 9, "password_version": "v2", "policy": {"a": 1, "b": [2]}});
        assert_eq!(paths(live, want), ["size", "password_version", "policy.b"]);
    }

    #[test]
    fn unset_means_keep_and_a_missing_choice_is_made() {
        assert_eq!(paths(json!({"size": 1, "zone": null}), json!({"size": null, "zone": "z1"})), ["zone"]);
    }

    #[test]
    fn a_fixed_field_replaces() {
        let changes = changes(json!({"key": "a"}), json!({"key": "b"}));
        assert_eq!(changes[0].effect, Effect::Replace);
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown_as_it_was() {
        let (live, want) =
            (json!({"environment": {"A": "by hand", "B": "b"}}), json!({"environment": {"A": "a", "C": "c"}}));
        let changes = changes(live, want);
        let told: Vec<String> = changes.iter().map(|one| format!("{} {} {}", one.path, one.from, one.to)).collect();
        let hidden = "\"(not shown)\"";
        let expected = [
            format!("environment.A {hidden} \"a\""),
            format!("environment.B {hidden} null"),
            "environment.C null \"c\"".to_owned(),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_others_have_put_beside_differs_one_by_one() {
        let (live, want) =
            (json!({"inline_policies": {"a.b": {"Statement": []}, "c": "d"}}), json!({"inline_policies": {}}));
        assert_eq!(paths(live, want.clone()), ["inline_policies.a.b", "inline_policies.c"]);
        assert_eq!(paths(json!({}), want), [""; 0], "nobody looked");
    }

    #[test]
    fn a_secret_is_never_in_a_change() {
        let changes = changes(json!({"password_version": "v1"}), json!({"password_version": "v2"}));
        assert!(!format!("{changes:?}").contains("v1") && !format!("{changes:?}").contains("v2"));
    }
}
