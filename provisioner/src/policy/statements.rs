//! Puts actions into statements: each with the resources that it is allowed on, and the condition that binds it to the
//! stack.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::DATA;
use super::other::{OTHERS, of_prefix, other};
use crate::kinds::SERVICES;
use crate::kinds::service::{Bound, On, Service, Writes};
use crate::scope::{STACK_TAG, Scope};

/// Some rights that reach beyond the stack.
#[derive(Debug, Serialize)]
pub struct Unbound {
    pub actions: Vec<&'static str>,
    pub resources: Vec<String>,
    pub because: &'static str,
}

/// Needed actions by the line that allows them. Statements are in this order.
pub(super) struct Lines {
    pub(super) everything: Vec<&'static str>,
    /// Reads, by the service's name in IAM.
    pub(super) reads: BTreeMap<&'static str, Vec<&'static str>>,
    /// Writes and reads of data, each line with the name of its service in IAM.
    pub(super) writes: Vec<(&'static str, &'static Writes, Vec<&'static str>)>,
}

impl Lines {
    pub(super) fn of(needed: &BTreeSet<&'static str>) -> Lines {
        let mut lines = Lines { everything: Vec::new(), reads: BTreeMap::new(), writes: Vec::new() };
        let mut writes: BTreeSet<&'static str> = BTreeSet::new();
        for action in needed {
            let (service, _) = action.split_once(':').unwrap_or_default();
            if is_on_everything(service, action) {
                lines.everything.push(action);
            } else if looks(action) && !DATA.contains(action) {
                lines.reads.entry(service).or_default().push(action);
            } else {
                writes.insert(action);
            }
        }
        for (prefix, line) in every_line() {
            let own = |action: &&&'static str| action.split(':').next() == Some(prefix) && line.actions.has(action);
            let actions: Vec<&'static str> = writes.iter().filter(own).copied().collect();
            if !actions.is_empty() {
                lines.writes.push((prefix, line, actions));
            }
        }
        lines
    }
}

/// Every line about writes, by the service's name in IAM.
pub(super) fn every_line() -> Vec<(&'static str, &'static Writes)> {
    let of_kinds = SERVICES.iter().flat_map(|service| service.writes.iter().map(|line| (service.prefix, line)));
    let others = OTHERS.iter().flat_map(|other| other.writes.iter().map(|line| (other.prefix, line)));
    let mut all: Vec<(&'static str, &'static Writes)> = of_kinds.chain(others).collect();
    all.sort_by_key(|(prefix, _)| *prefix);
    all
}

/// Whether an action only reads, and reads no secret.
pub(super) fn looks(action: &str) -> bool {
    let (_, name) = action.split_once(':').unwrap_or_default();
    let reads = ["Describe", "List", "Get", "GET", "BatchGet", "BatchCheck", "Filter", "Simulate"];
    reads.iter().any(|word| name.starts_with(word)) && !matches!(name, "GetSecretValue" | "GetAuthorizationToken")
}

fn is_on_everything(service: &str, action: &str) -> bool {
    match of_prefix(service) {
        Some(record) => record.on_everything.contains(&action),
        None => other(service).on_everything.contains(&action),
    }
}

/// The actions that give rights to a role (IAM user guide, permissions boundaries, delegating to others). Actions that
/// take rights away are not here, because they have to work on roles from before the boundary too.
const BOUNDED: &[&str] = &["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];

/// The statements. Rights are given to roles only within the boundary, if there is one.
pub(super) fn statements(scope: &Scope, lines: &Lines, boundary: Option<&str>) -> Vec<Value> {
    let mut statements = Vec::new();
    if !lines.everything.is_empty() {
        statements.push(allow(&lines.everything, &["*".to_owned()], Map::new()));
    }
    for (service, actions) in &lines.reads {
        statements.push(allow(actions, &readable(scope, service), Map::new()));
    }
    for (service, line, actions) in &lines.writes {
        let (arns, condition) = (line.arns(scope, service), condition(scope, line));
        let bounded = |action: &&str| boundary.is_some() && BOUNDED.contains(action);
        let (within, free): (Vec<&str>, Vec<&str>) = actions.iter().copied().partition(bounded);
        if !free.is_empty() {
            statements.push(allow(&free, &arns, condition.clone()));
        }
        if let (false, Some(boundary)) = (within.is_empty(), boundary) {
            let mut condition = condition;
            // The boundary may have `*` for the account.
            condition.insert("ArnLike".to_owned(), json!({"iam:PermissionsBoundary": boundary}));
            statements.push(allow(&within, &arns, condition));
        }
    }
    statements
}

/// The statements by which a boundary protects itself: nobody who has them may change it, or take it off a role of the
/// stack, whatever else is allowed.
pub(super) fn protection(scope: &Scope, boundary: &str) -> [Value; 2] {
    let change =
        ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"];
    let roles = scope.global_arn("iam", &format!("role/provision/{}/{}/*", scope.stack, scope.env));
    [
        json!({"Effect": "Deny", "Action": change, "Resource": [boundary]}),
        json!({"Effect": "Deny", "Action": ["iam:DeleteRolePermissionsBoundary"], "Resource": [roles]}),
    ]
}

pub(super) fn unbound(scope: &Scope, lines: &Lines) -> Vec<Unbound> {
    let unbound = lines.writes.iter().filter_map(|(service, line, actions)| {
        let because = line.unbound()?;
        let is_bound = matches!(line.bound, Bound::Name | Bound::Tag | Bound::OldTag | Bound::NewTag | Bound::By(..));
        let given = |on: &&On| !is_bound || matches!(on, On::Given { .. });
        let resources = line.on.iter().filter(given).map(|on| on.arn(scope, service)).collect();
        Some(Unbound { actions: actions.clone(), resources, because })
    });
    unbound.collect()
}

/// The statement for taking over what no stack has tagged. `None` for a service whose resources have no tags.
pub(super) fn adoption(scope: &Scope, service: &Service) -> Option<Value> {
    let calls = service.tags.as_ref()?;
    let tagging = |line: &&Writes| line.actions.has(calls.put_action) && matches!(line.bound, Bound::Name | Bound::Tag);
    let line = service.writes.iter().find(tagging)?;
    let mut condition = Map::new();
    add(&mut condition, "StringEquals", &format!("aws:RequestTag/{STACK_TAG}"), scope.tag().into());
    add(&mut condition, "Null", &format!("aws:ResourceTag/{STACK_TAG}"), "true".into());
    let real = line.on.iter().filter(|on| !matches!(on, On::Elsewhere(_)));
    let arns: Vec<String> = real.map(|on| on.arn(scope, service.prefix)).collect();
    Some(allow(&[calls.put_action], &arns, condition))
}

/// The condition of a line.
pub(super) fn condition(scope: &Scope, line: &Writes) -> Map<String, Value> {
    let mut condition = bound(scope, line.bound);
    for (operator, key, values) in line.only_if {
        let value = if let [only] = values { Value::from(*only) } else { json!(values) };
        add(&mut condition, operator, key, value);
    }
    condition
}

pub(super) fn bound(scope: &Scope, bound: Bound) -> Map<String, Value> {
    let (has, gets) = (format!("aws:ResourceTag/{STACK_TAG}"), format!("aws:RequestTag/{STACK_TAG}"));
    let must = "StringEquals";
    // A key that the service does not tell, or that the call does not have, is no obstacle.
    let may = "StringEqualsIfExists";
    let keys = match bound {
        Bound::Name => vec![(may, has), (may, gets)],
        Bound::Tag => vec![(must, has), (may, gets)],
        Bound::OldTag => vec![(must, has)],
        Bound::NewTag => vec![(must, gets)],
        Bound::Adopted { .. } => vec![(may, has), (must, gets)],
        Bound::Untagged { .. } => vec![(may, has)],
        Bound::By(..) | Bound::Nothing { .. } => Vec::new(),
    };
    let mut condition = Map::new();
    for (operator, key) in keys {
        add(&mut condition, operator, &key, scope.tag().into());
    }
    if let Bound::By(operator, key, value) = bound {
        add(&mut condition, operator, key, value(scope).into());
    }
    condition
}

fn add(condition: &mut Map<String, Value>, operator: &str, key: &str, value: Value) {
    let keys = condition.entry(operator).or_insert_with(|| json!({}));
    keys[key] = value;
}

pub(super) fn allow(actions: &[&str], resources: &[String], condition: Map<String, Value>) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    if !condition.is_empty() {
        statement["Condition"] = condition.into();
    }
    statement
}

/// The ARNs that reads are allowed on. Many reads answer about all resources or none.
pub(super) fn readable(scope: &Scope, service: &str) -> Vec<String> {
    match of_prefix(service) {
        Some(record) => record.readable(scope),
        None => (other(service).reads)(scope),
    }
}
