//! The context that the `aws.rs` of every section is given: the stack, and the list that its resources go to.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Digests;
use crate::kind::facts::Address;
use crate::kind::{Kind, Ref};
use crate::kinds::REGISTRY;
use crate::kinds::iam::{Role, RoleSpec, Statement};
use crate::kinds::kms::{Key, KeySpec};
use crate::plan::desired::Desired;
use crate::scope::Scope;
use crate::sections::functions::FIREWALL;
use crate::sections::logs::{Logs, shipping};
use crate::sections::words::{Name, Profile};
use crate::sections::{Loaded, Stack};

/// An output: `queues.work.url` is the output `url` of `sqs.queue work`.
pub struct Export {
    pub name: String,
    pub of: Address,
    pub field: &'static str,
}

/// What a section becomes on AWS.
pub(crate) type Expand = fn(&mut Making<'_>);

/// The name of the stack's only customer key.
const KEY: &str = "main";

/// The context of an expansion.
pub(crate) struct Making<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) scope: &'a Scope,
    pub(crate) digests: &'a Digests,
    /// The things that services and functions use, each with the names of those.
    users: BTreeMap<String, Vec<String>>,
    pub(super) desired: Desired,
    pub(super) exports: Vec<Export>,
}

impl<'a> Making<'a> {
    pub(super) fn new(loaded: &'a Loaded, scope: &'a Scope, digests: &'a Digests) -> Making<'a> {
        let users = users(&loaded.stack);
        Making { loaded, scope, digests, users, desired: Desired::new(REGISTRY), exports: Vec::new() }
    }

    /// Adds the stack's only customer key, if anything is encrypted under it.
    pub(super) fn main_key(&mut self) {
        let stack = &self.loaded.stack;
        let keeps = !(stack.topics.is_empty()
            && stack.databases.is_empty()
            && stack.caches.is_empty()
            && stack.search.is_empty()
            && stack.secrets.values().all(|secret| secret.from.is_some())
            && stack.services.is_empty()
            && stack.functions.is_empty()
            && stack.alerts.is_none());
        if keeps {
            self.add::<Key>("stack", KEY, KeySpec {});
        }
    }

    pub(crate) fn prod(&self) -> bool {
        self.loaded.profile == Profile::Prod
    }

    pub(crate) fn key(&self) -> Ref<Key> {
        Ref::to(KEY)
    }

    /// Adds a role that a service of AWS assumes. It is within the boundary that the stack file names, or else within
    /// the one that the account has for the stack.
    pub(crate) fn role(&mut self, section: &str, name: &str, service: &str, statements: Vec<Statement>) {
        let permissions_boundary = match self.loaded.stack.permissions_boundary.as_deref() {
            None => self.digests.boundary.clone(),
            Some("none") => Some(String::new()),
            Some(arn) if arn.starts_with("arn:") => Some(arn.to_owned()),
            Some(name) => Some(self.scope.global_arn("iam", &format!("policy/{name}"))),
        };
        let service = service.to_owned();
        self.add::<Role>(section, name, RoleSpec { service, statements, permissions_boundary });
    }

    pub(crate) fn add<K: Kind>(&mut self, section: &str, name: impl Into<String>, spec: K::Spec) {
        self.desired.add::<K>(section, name, spec);
    }

    pub(crate) fn export<K: Kind>(&mut self, name: String, of: &str, field: &'static str) {
        self.exports.push(Export { name, of: Address { kind: K::FACTS.name, name: of.to_owned() }, field });
    }

    /// The name of the log group of a part of the stack.
    pub(crate) fn log_path(&self, part: &str) -> String {
        format!("{}{part}", shipping::log_groups(self.scope))
    }

    /// Days that CloudWatch Logs keeps the logs of the stack.
    pub(crate) fn log_days(&self) -> u32 {
        Logs::keep_days(self.loaded.stack.logs.as_ref(), self.loaded.profile)
    }

    /// The services and functions that use a thing.
    pub(crate) fn users_of(&self, thing: &str) -> Vec<String> {
        self.users.get(thing).cloned().unwrap_or_default()
    }

    /// The firewall groups of those that use a thing. A service has one of its own name, and all functions share one.
    pub(crate) fn groups_of(&self, thing: &str) -> Vec<String> {
        let users = self.users_of(thing);
        let functions = |name: &&String| self.loaded.stack.functions.contains_key(&Name((*name).clone()));
        let shared = users.iter().any(|name| functions(&name)).then(|| FIREWALL.to_owned());
        users.iter().filter(|name| !functions(name)).cloned().chain(shared).collect()
    }

    /// The ARN of the role of a service or a function, which is known before the role is there.
    pub(crate) fn own_role(&self, name: &str) -> String {
        format!("{}{}", shipping::roles(self.scope), shipping::own_role(&self.loaded.stack, self.scope, name))
    }
}

/// The things that services and functions use, each with the names of those.
fn users(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let services = stack.services.iter().map(|(name, service)| (name, service.user()));
    let functions = stack.functions.iter().map(|(name, function)| (name, function.user()));
    for (name, user) in services.chain(functions) {
        let things: BTreeSet<&Name> = user.uses.iter().chain(user.owns).collect();
        for thing in things {
            users.entry(thing.0.clone()).or_default().push(name.0.clone());
        }
    }
    users
}
