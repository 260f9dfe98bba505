//! The permissions boundary: the most that a role of the stack may do, whatever it is given.
//!
//! The key of the stack has no name, so the boundary knows it by its tag, which KMS counts up to five minutes late. A
//! role of a new stack may be refused the key until then. What needs the key at its start needs a database or a cache
//! too, and these take longer. Other calls, such as Publish, are made again by those who make them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::other::of_prefix;
use super::statements::{allow, bound, protection};
use super::{bounded_by, document};
use crate::kind::Kind;
use crate::kinds::iam;
use crate::kinds::service::Bound;
use crate::plan::desired::Desired;
use crate::scope::Scope;

/// The boundary of a stack: the actions of all its roles, on the resources of the stack. `None` for a stack without
/// roles.
pub fn boundary(scope: &Scope, desired: &Desired) -> Option<Value> {
    let roles = desired.resources().iter().filter(|wanted| wanted.address.kind == iam::Role::FACTS.name);
    let allowed: Vec<Value> = roles.map(|role| role.spec.get("statements")).collect();
    let mut actions: BTreeMap<(bool, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut others: Vec<Value> = Vec::new();
    for statement in allowed.iter().filter_map(Value::as_array).flatten() {
        if let Some(other) = about_others(statement) {
            others.extend((!others.contains(&other)).then_some(other));
            continue;
        }
        let everywhere = statement["resources"].as_array().is_some_and(|all| all.iter().any(|one| one["arn"] == "*"));
        for action in statement["actions"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let service = action.split(':').next().unwrap_or_default();
            actions.entry((everywhere, if everywhere { "" } else { service })).or_default().insert(action);
        }
    }
    let statements = actions.into_iter().map(|((everywhere, service), actions)| {
        let actions: Vec<&str> = actions.into_iter().collect();
        let (resources, condition) = match everywhere {
            true => (vec!["*".to_owned()], Map::new()),
            false => grantable(scope, service),
        };
        allow(&actions, &resources, condition)
    });
    let mut statements: Vec<Value> = statements.chain(others).collect();
    if statements.is_empty() {
        return None;
    }
    let arn = bounded_by(scope, desired)?.arn().map(str::to_owned);
    statements.extend(arn.into_iter().flat_map(|arn| protection(scope, &arn)));
    Some(document(&statements))
}

/// A statement about secrets that somebody else made, or about the key of one. These have neither the name nor the tag of
/// the stack, so the boundary takes the statement as it is. What is the stack's own is a reference, and not an ARN.
fn about_others(statement: &Value) -> Option<Value> {
    let actions: Vec<&str> = statement["actions"].as_array()?.iter().filter_map(Value::as_str).collect();
    let arns: Option<Vec<String>> =
        statement["resources"].as_array()?.iter().map(|one| one["arn"].as_str().map(str::to_owned)).collect();
    let arns = arns.filter(|arns| arns.iter().all(|arn| arn != "*"))?;
    let is_of = |action: &&str| ["secretsmanager:", "kms:"].iter().any(|service| action.starts_with(service));
    let condition = statement["condition"].as_object().cloned().unwrap_or_default();
    actions.iter().all(is_of).then(|| allow(&actions, &arns, condition))
}

/// The ARNs that the stack's roles may be given rights on, and the condition.
fn grantable(scope: &Scope, service: &str) -> (Vec<String>, Map<String, Value>) {
    let Some(record) = of_prefix(service) else { return (Vec::new(), Map::new()) };
    let (arns, by) = record.grantable(scope);
    // A role does not tag, so only the tag of the resource counts.
    let by = by.map(|by| match by {
        Bound::Name => Bound::Untagged { because: "a name binds it" },
        Bound::Tag => Bound::OldTag,
        other => other,
    });
    (arns, by.map(|by| bound(scope, by)).unwrap_or_default())
}
