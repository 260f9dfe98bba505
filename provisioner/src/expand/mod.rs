//! Stack -> Desired. Pure. Each section has a small file that says which resources it becomes.

mod alerts;
mod cache;
mod database;
mod logs;
mod messaging;
mod network;
pub(crate) mod probe;
mod search;
mod service;
mod uses;

use std::collections::BTreeMap;

pub(crate) use logs::FAILED as FORWARDER_FAILED;

use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::kind::{Address, Kind, Ref};
use crate::kinds::iam::{Role, RoleSpec, Statement};
use crate::kinds::kms::{Key, KeySpec};
use crate::scope::Scope;
use crate::stack::{Loaded, Logs, Profile, shipping};

/// What the stack is made of, and which of its outputs people ask for.
pub struct Expanded {
    pub desired: Desired,
    pub exports: Vec<Export>,
}

/// `queues.work.url` is the output `url` of `sqs.queue work`.
pub struct Export {
    pub name: String,
    pub of: Address,
    pub field: &'static str,
}

/// The fingerprints of the runtime's two forms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Digests {
    /// Of the image's manifest, `sha256:…`.
    pub image: String,
    /// Of the Lambda package, as Lambda shows it.
    pub zip: String,
}

pub fn expand(loaded: &Loaded, scope: &Scope, digests: &Digests) -> Expanded {
    let stack = &loaded.stack;
    let users = uses::users(stack);
    let mut making = Making::new(loaded, scope, digests, users);
    if !(stack.topics.is_empty()
        && stack.databases.is_empty()
        && stack.caches.is_empty()
        && stack.search.is_empty()
        && stack.services.is_empty()
        && stack.alerts.is_none())
    {
        making.add::<Key>("stack", KEY, KeySpec {});
    }
    messaging::expand(&mut making);
    network::expand(&mut making);
    database::expand(&mut making);
    cache::expand(&mut making);
    search::expand(&mut making);
    service::expand(&mut making);
    logs::expand(&mut making);
    alerts::expand(&mut making);
    Expanded { desired: making.desired, exports: making.exports }
}

/// Whether the stack runs the bundled runtime: as image, as Lambda package.
pub fn needs_runtime(loaded: &Loaded) -> (bool, bool) {
    let stack = &loaded.stack;
    (stack.services.values().any(|service| service.role.is_some()), stack.logs.is_some())
}

/// The one customer key of the stack.
const KEY: &str = "main";

/// What the files of the sections share.
struct Making<'a> {
    loaded: &'a Loaded,
    scope: &'a Scope,
    digests: &'a Digests,
    /// What is used, and by which services.
    users: BTreeMap<String, Vec<String>>,
    desired: Desired,
    exports: Vec<Export>,
}

impl<'a> Making<'a> {
    fn new(
        loaded: &'a Loaded,
        scope: &'a Scope,
        digests: &'a Digests,
        users: BTreeMap<String, Vec<String>>,
    ) -> Making<'a> {
        Making { loaded, scope, digests, users, desired: Desired::default(), exports: Vec::new() }
    }

    fn prod(&self) -> bool {
        self.loaded.profile == Profile::Prod
    }

    fn key(&self) -> Ref<Key> {
        Ref::to(KEY)
    }

    /// A role that a service of AWS assumes, within the boundary that the stack file names.
    fn role(&mut self, section: &str, name: &str, service: &str, statements: Vec<Statement>) {
        let permissions_boundary = self.loaded.stack.permissions_boundary.as_deref().map(|boundary| match boundary {
            "none" => String::new(),
            arn if arn.starts_with("arn:") => arn.to_owned(),
            name => self.scope.global_arn("iam", &format!("policy/{name}")),
        });
        let service = service.to_owned();
        self.add::<Role>(section, name, RoleSpec { service, statements, managed: Vec::new(), permissions_boundary });
    }

    fn add<K: Kind>(&mut self, section: &str, name: impl Into<String>, spec: K::Spec) {
        self.desired.add::<K>(section, name, spec);
    }

    fn export<K: Kind>(&mut self, name: String, of: &str, field: &'static str) {
        self.exports.push(Export { name, of: Address { kind: K::FACTS.name, name: of.to_owned() }, field });
    }

    /// The name of the log group of a part of the stack.
    fn log_path(&self, part: &str) -> String {
        format!("{}{part}", shipping::log_groups(self.scope))
    }

    fn log_days(&self) -> u32 {
        Logs::keep_days(self.loaded.stack.logs.as_ref(), self.loaded.profile)
    }
}
