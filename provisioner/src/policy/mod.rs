//! The IAM policies of a stack: the rights of `up`, the rights of `plan`, the rights to adopt, and a boundary for the
//! roles that `up` makes. It is pure.
//!
//! - The actions: each kind lists its own, in its file. A kind that the stack does not use is still read, so that
//!   resources from earlier versions of the stack are found.
//! - The resources, and what binds them to the stack: the record of each service says it, in `writes`.
//!
//! The source of actions, resource types and keys of conditions is the Service Authorization Reference
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).

mod boundary;
mod needs;
mod other;
mod statements;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::{denial, lease};
use crate::kind::Kind;
use crate::kinds::secretsmanager::existing;
use crate::kinds::service::Dependent;
use crate::kinds::{KINDS, SERVICES, ec2, iam};
use crate::plan::desired::Desired;
use crate::scope::Scope;

pub use boundary::boundary;
pub use needs::{Need, needs};
pub use statements::Unbound;

use statements::{Lines, allow, looks, protection, statements};

/// How many characters a managed policy may have, without blanks (IAM user guide, quotas).
const MOST_CHARACTERS: usize = 6_144;

#[derive(Serialize)]
pub struct Policies {
    /// The policies. All of them have to be attached together.
    pub policies: Vec<Value>,
    /// The most that a role of this stack may ever do. `None` for a stack without roles.
    pub permissions_boundary: Option<Value>,
    /// The name that the boundary has to have in the account. `None` if the stack file names another policy, or none.
    pub permissions_boundary_name: Option<String>,
    pub dependent: Vec<Dependent>,
    /// The rights that reach beyond the stack, each with the reason.
    pub unbound: Vec<Unbound>,
}

/// The policies for `up`, and for all other commands. `beside` are the needed actions that belong to no kind, and
/// `others` the ARNs of the secrets that somebody else made.
pub fn policies(scope: &Scope, desired: &Desired, beside: &[&'static str], others: &[String]) -> Policies {
    let bounded_by = bounded_by(scope, desired);
    let needed = needed(desired, beside, bounded_by.as_ref());
    let lines = Lines::of(&needed);
    let boundary_arn = bounded_by.as_ref().and_then(BoundedBy::arn);
    let mut statements = statements(scope, &lines, boundary_arn);
    statements.extend(seeing(others));
    statements.extend(boundary_arn.into_iter().flat_map(|arn| protection(scope, arn)));
    let is_own = matches!(bounded_by, Some(BoundedBy::Own(_)));
    Policies {
        policies: documents(statements),
        permissions_boundary: boundary(scope, desired),
        permissions_boundary_name: is_own.then(|| iam::boundary::name(scope)),
        dependent: dependent(&needed),
        unbound: statements::unbound(scope, &lines),
    }
}

/// The policies for `plan`: what it reads of the stack and of the account. No data is read with them: no log line, no
/// code, no layer, no secret, no item of a table.
pub fn of_plan(scope: &Scope, desired: &Desired, others: &[String]) -> Vec<Value> {
    let needed: BTreeSet<&'static str> = needed(desired, ZONES, bounded_by(scope, desired).as_ref());
    let kinds: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.facts().actions).copied().collect();
    let ours = |action: &&str| kinds.contains(*action) || [OURS, ZONES].concat().contains(action);
    let needed = needed.into_iter().filter(|action| ours(action) && looks(action) && !DATA.contains(action));
    let mut statements = statements(scope, &Lines::of(&needed.collect()), None);
    statements.extend(seeing(others));
    documents(statements)
}

/// The right to look the secrets up that somebody else made. Nothing may change them, and nobody reads their values.
fn seeing(others: &[String]) -> Option<Value> {
    (!others.is_empty()).then(|| allow(&[existing::ACTION], others, serde_json::Map::new()))
}

/// The policies for `up --adopt`, beside those for `up`: the stack's tag may be put on what no stack has tagged.
pub fn of_adoption(scope: &Scope, desired: &Desired) -> Vec<Value> {
    let used: BTreeSet<&str> = desired.resources().iter().map(|wanted| wanted.address.kind).collect();
    let used = |service: &str| used.iter().any(|kind| kind.split('.').next() == Some(service));
    let services = SERVICES.iter().filter(|service| used(service.name));
    documents(services.filter_map(|service| statements::adoption(scope, service)).collect())
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
/// A plan looks whether the region has enough zones.
const ZONES: &[&str] = &["ec2:DescribeAvailabilityZones"];

/// The reads that show data, and not only what there is. They are allowed on what a write is allowed on, and a plan has
/// none of them.
const DATA: &[&str] = &[
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "lambda:GetFunction",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
];

/// The permissions boundary of the stack's roles.
enum BoundedBy {
    /// The stack's own, because the stack file says nothing.
    Own(String),
    /// The one that the stack file names.
    Named(String),
    /// None, because the stack file says so.
    Nothing,
}

impl BoundedBy {
    fn arn(&self) -> Option<&str> {
        match self {
            BoundedBy::Own(arn) | BoundedBy::Named(arn) => Some(arn),
            BoundedBy::Nothing => None,
        }
    }
}

/// The boundary that all roles of the stack have. `None` for a stack without roles.
fn bounded_by(scope: &Scope, desired: &Desired) -> Option<BoundedBy> {
    let role = desired.resources().iter().find(|wanted| wanted.address.kind == iam::Role::FACTS.name)?;
    let own = iam::boundary::arn(scope);
    Some(match role.spec.get("permissions_boundary").as_str() {
        Some("") => BoundedBy::Nothing,
        Some(arn) if arn != own => BoundedBy::Named(arn.to_owned()),
        _ => BoundedBy::Own(own),
    })
}

fn needed(desired: &Desired, beside: &[&'static str], bounded_by: Option<&BoundedBy>) -> BTreeSet<&'static str> {
    let used: BTreeSet<&str> = desired.resources().iter().map(|wanted| wanted.address.kind).collect();
    let mut needed: BTreeSet<&'static str> =
        [OURS, lease::ACTIONS, denial::ACTIONS, beside].concat().into_iter().collect();
    for kind in KINDS {
        let facts = kind.facts();
        let all = used.contains(facts.name);
        needed.extend(facts.actions.iter().filter(|action| all || looks(action) && !DATA.contains(action)));
    }
    leave_out(&mut needed, desired, bounded_by);
    needed
}

/// Whether an endpoint of the stack brings a hosted zone into the VPC.
fn has_interface_endpoint(desired: &Desired) -> bool {
    let endpoints = desired.resources().iter().filter(|wanted| wanted.address.kind == ec2::VpcEndpoint::FACTS.name);
    let mut specs = endpoints.filter_map(|wanted| wanted.spec.read::<ec2::VpcEndpointSpec>().ok());
    specs.any(|spec| matches!(spec.by, ec2::EndpointBy::Interface { .. }))
}

/// Leaves out the actions of the used kinds that this stack does not need. A boundary is taken away only where the stack
/// file says so, and set everywhere else.
fn leave_out(needed: &mut BTreeSet<&'static str>, desired: &Desired, bounded_by: Option<&BoundedBy>) {
    if !has_interface_endpoint(desired) {
        needed.remove("route53:AssociateVPCWithHostedZone");
    }
    needed.remove(match bounded_by {
        Some(BoundedBy::Nothing) => "iam:PutRolePermissionsBoundary",
        _ => "iam:DeleteRolePermissionsBoundary",
    });
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

#[cfg(test)]
mod tests;
