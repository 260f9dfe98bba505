//! The IAM policy that `provision` itself needs for a stack, and a boundary for the roles that it makes. It is pure.
//!
//! - The actions: each kind lists its own, in its file. A kind that the stack does not use is still read, so that
//!   resources from earlier versions of the stack are found.
//! - The resources: the record of each service names them, since AWS gives most names a form by service.
//!
//! The source of actions and resource types is the Service Authorization Reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).

mod needs;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::{denial, lease};
use crate::kinds::kind::Kind;
use crate::kinds::service::{Dependent, Service};
use crate::kinds::{KINDS, SERVICES, iam};
use crate::plan::desired::Desired;
use crate::scope::Scope;

pub use needs::{Need, needs};

/// How many characters a managed policy may have, without blanks (IAM user guide, quotas).
const MOST_CHARACTERS: usize = 6_144;

#[derive(Serialize)]
pub struct Policies {
    /// The policies. All of them have to be attached together.
    pub policies: Vec<Value>,
    /// The most that a role of this stack may ever do. `None` for a stack without roles.
    pub permissions_boundary: Option<Value>,
    pub dependent: Vec<Dependent>,
}

/// The policies for a stack. `beside` are the needed actions that belong to no kind.
pub fn policies(scope: &Scope, desired: &Desired, beside: &[&'static str]) -> Policies {
    let bounded_by = bounded_by(desired);
    let needed = needed(desired, beside, bounded_by.as_deref());
    let statements = statements(scope, &needed, bounded_by.as_deref().filter(|boundary| !boundary.is_empty()));
    Policies {
        policies: documents(statements),
        permissions_boundary: boundary(scope, desired),
        dependent: dependent(&needed),
    }
}

/// The needed actions that `provision` never calls itself, by name.
fn dependent(needed: &BTreeSet<&str>) -> Vec<Dependent> {
    let all = SERVICES.iter().flat_map(|service| service.dependent).copied();
    let mut dependent: Vec<Dependent> = all.filter(|one| needed.contains(one.action)).collect();
    dependent.sort_by_key(|one| one.action);
    dependent
}

/// Actions that belong to no kind: who the credentials belong to, and the tag index.
const OURS: &[&str] = &["sts:GetCallerIdentity", "tag:GetResources"];

/// The permissions boundary that the stack file sets for its roles, the same for all of them: an ARN, or "" for none.
fn bounded_by(desired: &Desired) -> Option<String> {
    let role = desired.resources().iter().find(|wanted| wanted.address.kind == iam::Role::FACTS.name)?;
    role.spec.get("permissions_boundary").as_str().map(str::to_owned)
}

fn needed(desired: &Desired, beside: &[&'static str], bounded_by: Option<&str>) -> BTreeSet<&'static str> {
    let used: BTreeSet<&str> = desired.resources().iter().map(|wanted| wanted.address.kind).collect();
    let mut needed: BTreeSet<&'static str> =
        [OURS, lease::ACTIONS, denial::ACTIONS, beside].concat().into_iter().collect();
    for kind in KINDS {
        let facts = kind.facts();
        let all = used.contains(facts.name);
        needed.extend(facts.actions.iter().filter(|action| all || looks(action)));
    }
    keep_boundaries(&mut needed, bounded_by);
    needed
}

/// Leaves out the actions on boundaries that the stack does not need. A boundary is set only where the stack file names
/// one, and taken away only where it says so.
fn keep_boundaries(needed: &mut BTreeSet<&'static str>, bounded_by: Option<&str>) {
    if bounded_by.is_none_or(str::is_empty) {
        needed.remove("iam:PutRolePermissionsBoundary");
    }
    if bounded_by != Some("") {
        needed.remove("iam:DeleteRolePermissionsBoundary");
    }
}

/// Whether an action only reads, and reads no secret.
fn looks(action: &str) -> bool {
    let (_, name) = action.split_once(':').unwrap_or_default();
    let reads = ["Describe", "List", "Get", "BatchGet", "BatchCheck", "Filter", "Simulate"];
    reads.iter().any(|word| name.starts_with(word)) && !matches!(name, "GetSecretValue" | "GetAuthorizationToken")
}

/// A service that `provision` calls and that has no kinds.
struct Other {
    prefix: &'static str,
    on_everything: &'static [&'static str],
    /// The ARNs that writes are allowed on.
    writes: fn(&Scope) -> Vec<String>,
}

const OTHERS: &[Other] = &[
    Other { prefix: "acm", on_everything: &[], writes: |_| Vec::new() },
    Other {
        prefix: "dynamodb",
        on_everything: &[],
        writes: |scope| vec![scope.arn("dynamodb", &format!("table/{}", lease::TABLE))],
    },
    Other {
        prefix: "servicequotas",
        on_everything: &["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"],
        writes: |_| Vec::new(),
    },
    Other {
        prefix: "sts",
        on_everything: &["sts:DecodeAuthorizationMessage", "sts:GetCallerIdentity"],
        writes: |_| Vec::new(),
    },
    Other { prefix: "tag", on_everything: &["tag:GetResources"], writes: |_| Vec::new() },
];

/// What a statement is about. Statements are in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About<'a> {
    Everything,
    Reads(&'a str),
    Writes(&'a str),
    /// Writes to roles, only if they have this boundary.
    Bounded(&'a str),
    PassRole,
    ServiceLinkedRole,
    Grant,
}

/// The actions that give rights to a role (IAM user guide, permissions boundaries, delegating to others). Actions that
/// take rights away are not here, because they have to work on roles from before the boundary too.
const BOUNDED: &[&str] =
    &["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];

fn about(action: &str) -> About<'_> {
    let (service, _) = action.split_once(':').unwrap_or_default();
    match action {
        _ if is_on_everything(service, action) => About::Everything,
        "iam:PassRole" => About::PassRole,
        "iam:CreateServiceLinkedRole" => About::ServiceLinkedRole,
        "kms:CreateGrant" => About::Grant,
        _ if looks(action) => About::Reads(service),
        _ => About::Writes(service),
    }
}

fn is_on_everything(service: &str, action: &str) -> bool {
    match of_prefix(service) {
        Some(record) => record.on_everything.contains(&action),
        None => other(service).on_everything.contains(&action),
    }
}

fn statements(scope: &Scope, needed: &BTreeSet<&'static str>, boundary: Option<&str>) -> Vec<Value> {
    let mut groups: BTreeMap<About, Vec<&str>> = BTreeMap::new();
    for action in needed {
        let about = match boundary {
            Some(boundary) if BOUNDED.contains(action) => About::Bounded(boundary),
            _ => about(action),
        };
        groups.entry(about).or_default().push(action);
    }
    groups.into_iter().map(|(about, actions)| statement(scope, about, &actions)).collect()
}

fn statement(scope: &Scope, about: About<'_>, actions: &[&str]) -> Value {
    let allow = |resources: Vec<String>| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    let mut statement = match about {
        About::Everything => allow(vec!["*".to_owned()]),
        About::Reads(service) => allow(readable(scope, service)),
        About::Writes(service) => allow(writable(scope, service)),
        About::Bounded(_) | About::PassRole => allow(writable(scope, "iam")),
        About::ServiceLinkedRole => allow(vec![scope.global_arn("iam", "role/aws-service-role/*")]),
        About::Grant => allow(vec![scope.arn("kms", "key/*")]),
    };
    match about {
        // The boundary may have `*` for the account.
        About::Bounded(boundary) => statement["Condition"] = json!({"ArnLike": {"iam:PermissionsBoundary": boundary}}),
        About::PassRole => {
            let to = ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com"];
            statement["Condition"] = json!({"StringEquals": {"iam:PassedToService": to}});
        }
        About::Grant => statement["Condition"] = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        _ => {}
    }
    statement
}

/// The record of a service, by its name in IAM.
fn of_prefix(service: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|record| record.prefix == service).copied()
}

fn other(service: &str) -> &'static Other {
    let found = OTHERS.iter().find(|other| other.prefix == service);
    found.unwrap_or_else(|| panic!("`{service}` is neither in SERVICES nor in OTHERS"))
}

/// The ARNs that reads are allowed on. Many reads answer about all resources or none.
fn readable(scope: &Scope, service: &str) -> Vec<String> {
    of_prefix(service).map_or_else(|| vec![scope.arn(service, "*")], |record| record.readable(scope))
}

/// The ARNs that this stack may change: names that begin with the stack's. Where AWS chooses the name, the whole
/// account.
fn writable(scope: &Scope, service: &str) -> Vec<String> {
    of_prefix(service).map_or_else(|| (other(service).writes)(scope), |record| record.writable(scope))
}

/// The ARNs that the stack's roles may be given rights on.
fn grantable(scope: &Scope, service: &str) -> Vec<String> {
    of_prefix(service).map_or_else(|| (other(service).writes)(scope), |record| record.grantable(scope))
}

/// Puts the statements, in their order, into as few documents as AWS's limit allows.
fn documents(statements: Vec<Value>) -> Vec<Value> {
    let mut documents: Vec<Vec<Value>> = vec![Vec::new()];
    for statement in statements {
        let last = documents.last_mut().expect("there is one from the start");
        last.push(statement);
        if last.len() > 1 && document(last).to_string().len() > MOST_CHARACTERS {
            let moved = last.pop();
            documents.push(moved.into_iter().collect());
        }
    }
    documents.iter().map(|statements| document(statements)).collect()
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The permissions boundary: the actions of all roles of the stack, on the resources of the stack.
fn boundary(scope: &Scope, desired: &Desired) -> Option<Value> {
    let roles = desired.resources().iter().filter(|wanted| wanted.address.kind == iam::Role::FACTS.name);
    let allowed: Vec<Value> = roles.map(|role| role.spec.get("statements")).collect();
    let mut actions: BTreeMap<(bool, &str), BTreeSet<&str>> = BTreeMap::new();
    for statement in allowed.iter().filter_map(Value::as_array).flatten() {
        let everywhere = statement["resources"].as_array().is_some_and(|all| all.iter().any(|one| one["arn"] == "*"));
        for action in statement["actions"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let service = action.split(':').next().unwrap_or_default();
            actions.entry((everywhere, if everywhere { "" } else { service })).or_default().insert(action);
        }
    }
    let statements = actions.into_iter().map(|((everywhere, service), actions)| {
        let resources = if everywhere { vec!["*".to_owned()] } else { grantable(scope, service) };
        json!({"Effect": "Allow", "Action": actions, "Resource": resources})
    });
    let statements: Vec<Value> = statements.collect();
    (!statements.is_empty()).then(|| document(&statements))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All actions that a policy may have.
    fn all() -> BTreeSet<&'static str> {
        let mut all: BTreeSet<&str> = [OURS, lease::ACTIONS, denial::ACTIONS].concat().into_iter().collect();
        all.extend(crate::commands::actions::all());
        all.extend(KINDS.iter().flat_map(|kind| kind.facts().actions));
        all
    }

    #[test]
    fn every_action_is_of_a_known_service_and_allowed_on_something() {
        let tags = BTreeMap::new();
        let scope = Scope { account: "1".into(), region: "eu-west-1".into(), stack: "a".into(), env: "b".into(), tags };
        for action in all() {
            let on = match about(action) {
                About::Reads(service) => readable(&scope, service),
                About::Writes(service) => writable(&scope, service),
                About::Everything | About::Bounded(_) | About::PassRole | About::ServiceLinkedRole | About::Grant => {
                    continue;
                }
            };
            assert!(!on.is_empty(), "{action} is allowed on nothing");
        }
    }

    #[test]
    fn nothing_is_said_of_actions_that_nobody_needs() {
        let all = all();
        let on_everything = SERVICES.iter().flat_map(|service| service.on_everything).copied();
        let dependent = SERVICES.iter().flat_map(|service| service.dependent).map(|dependent| dependent.action);
        let needless: Vec<&str> = on_everything.chain(dependent).filter(|action| !all.contains(action)).collect();
        assert_eq!(needless, [""; 0]);
    }
}
