//! The permissions that one plan needs, for a simulation before its first call.

use std::collections::{BTreeMap, BTreeSet};

use super::{About, about, bounded_by, keep_boundaries, looks, of_prefix, writable};
use crate::aws::lease;
use crate::kinds::KINDS;
use crate::plan::desired::Desired;
use crate::scope::Scope;

/// Permissions that a plan needs: actions, and examples of the resources that they are about.
pub struct Need {
    pub actions: Vec<&'static str>,
    pub resources: Vec<String>,
    /// The keys of conditions, each with the value that the calls will have.
    pub context: &'static [(&'static str, &'static str)],
}

/// The permissions to change these kinds. The value is `true` for kinds of which resources are only made. Reads are
/// left out, because they have worked by then.
pub fn needs(scope: &Scope, desired: &Desired, kinds: &BTreeMap<&str, bool>) -> Vec<Need> {
    let mut needed: BTreeSet<&'static str> = lease::ACTIONS.iter().copied().collect();
    for kind in KINDS {
        if let Some(only_made) = kinds.get(kind.facts().name) {
            needed.extend(kind.facts().actions.iter().filter(|action| !(*only_made && ends(action))));
        }
    }
    keep_boundaries(&mut needed, bounded_by(desired).as_deref());
    needed.retain(|action| !looks(action));
    let mut groups: BTreeMap<About, Vec<&'static str>> = BTreeMap::new();
    for action in needed {
        groups.entry(about(action)).or_default().push(action);
    }
    let need = |(about, actions): (About, Vec<&'static str>)| {
        let of = |patterns: Vec<String>| patterns.into_iter().map(|arn| arn.replace('*', "x")).collect();
        let (resources, context): (Vec<String>, &[(&str, &str)]) = match about {
            About::Everything => (vec!["*".to_owned()], &[]),
            About::Reads(service) | About::Writes(service) => (of(examples(scope, service)), &[]),
            About::Bounded(_) => (of(writable(scope, "iam")), &[]),
            About::PassRole => (of(writable(scope, "iam")), &[("iam:PassedToService", "ecs-tasks.amazonaws.com")]),
            About::ServiceLinkedRole => (
                of(vec![scope.global_arn("iam", "role/aws-service-role/*")]),
                &[("iam:AWSServiceName", "ecs.amazonaws.com")],
            ),
            About::Grant => (of(vec![scope.arn("kms", "key/*")]), &[("kms:GrantIsForAWSResource", "true")]),
        };
        Need { actions, resources, context }
    };
    groups.into_iter().map(need).collect()
}

/// Examples of the ARNs that a write is about, one for each type of resource.
fn examples(scope: &Scope, service: &str) -> Vec<String> {
    let types = of_prefix(service).map(|record| record.types).unwrap_or_default();
    match types.is_empty() {
        true => writable(scope, service),
        false => types.iter().map(|one| scope.arn(service, &format!("{one}/*"))).collect(),
    }
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
