//! The permissions that one plan needs, for a simulation before its first call.

use std::collections::{BTreeMap, BTreeSet};

use super::other::of_prefix;
use super::statements::{Lines, condition, looks};
use super::{bounded_by, leave_out};
use crate::aws::lease;
use crate::kinds::KINDS;
use crate::kinds::service::Writes;
use crate::plan::desired::Desired;
use crate::scope::Scope;

/// Permissions that a plan needs: actions, and examples of the resources that they are about.
pub struct Need {
    pub actions: Vec<&'static str>,
    pub resources: Vec<String>,
    /// The keys of conditions, each with the value that the calls will have.
    pub context: Vec<(String, String)>,
}

/// The permissions to change these kinds. The value is `true` for kinds of which resources are only made. Reads are
/// left out, because they have worked by then.
pub fn needs(scope: &Scope, desired: &Desired, kinds: &BTreeMap<&str, bool>) -> Vec<Need> {
    let bounded_by = bounded_by(scope, desired);
    let mut needed: BTreeSet<&'static str> = lease::ACTIONS.iter().copied().collect();
    for kind in KINDS {
        if let Some(only_made) = kinds.get(kind.facts().name) {
            needed.extend(kind.facts().actions.iter().filter(|action| !(*only_made && ends(action))));
        }
    }
    leave_out(&mut needed, desired, bounded_by.as_ref());
    needed.retain(|action| !looks(action));
    let boundary = bounded_by.as_ref().and_then(|by| by.arn()).map(|arn| arn.replace('*', "x"));
    let need = |(service, line, actions): (&str, &Writes, Vec<&'static str>)| {
        let mut context = told(scope, line);
        if let (true, Some(boundary)) = (service == "iam", &boundary) {
            context.push(("iam:PermissionsBoundary".to_owned(), boundary.clone()));
        }
        Need { actions, resources: examples(scope, service, line), context }
    };
    Lines::of(&needed).writes.into_iter().map(need).collect()
}

/// Examples of the ARNs that a write is about, one for each type of resource.
fn examples(scope: &Scope, service: &str, line: &Writes) -> Vec<String> {
    let types = of_prefix(service).map(|record| record.types).unwrap_or_default();
    let arns = match line.arns(scope, service) {
        all if all.iter().any(|arn| arn.ends_with(":*")) && !types.is_empty() => {
            types.iter().map(|one| scope.arn(service, &format!("{one}/*"))).collect()
        }
        arns => arns,
    };
    arns.into_iter().map(|arn| if arn == "*" { arn } else { arn.replace('*', "x") }).collect()
}

/// The facts that the calls of a line will have: the first value that each condition takes.
fn told(scope: &Scope, line: &Writes) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for keys in condition(scope, line).values() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            let first = value.as_array().and_then(|all| all.first()).unwrap_or(value);
            let first = first.as_str().unwrap_or_default().replace('*', "x");
            told.push((key.clone(), first));
        }
    }
    told
}

/// Whether an action ends something, so that a kind of which resources are only made does not need it.
fn ends(action: &str) -> bool {
    let (_, name) = action.split_once(':').unwrap_or_default();
    let ends = [
        "Cancel",
        "DELETE",
        "Delete",
        "Deregister",
        "Detach",
        "Disassociate",
        "Release",
        "Remove",
        "Retire",
        "Schedule",
        "Untag",
    ];
    ends.iter().any(|word| name.starts_with(word))
}
