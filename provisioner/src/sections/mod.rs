//! The text that the user wrote: the sections of a stack file, one folder for each.
//!
//! A section is a key at the top of a stack file, such as `caches`. All of its code is in the folder of its name:
//!
//! - `mod.rs`: the form that the user writes, with its doc comments, which an editor shows, and its defaults as
//!   methods;
//! - `check.rs`: finds the mistakes that no JSON Schema finds;
//! - `aws.rs`: the resources that the section becomes on AWS;
//! - `local.rs`: the processes, topics and queues that it becomes on this machine.
//!
//! To add a section, write that folder, add the field to [`Stack`] and [`Environment`], and add its line to
//! [`list::SECTIONS`]. `uses` is a folder like them, for the key of that name in a service.
//!
//! A build without the feature `aws` has the file `without_aws.rs` in the place of every `aws.rs`.
//!
//! The modules that read a file and go through all sections are beside the folders: [`load`], [`check`], [`aws`],
//! [`here`].

pub mod alerts;
pub mod api;
#[cfg_attr(not(feature = "aws"), path = "without_aws.rs")]
pub mod aws;
pub mod caches;
mod check;
pub mod databases;
mod form;
pub mod functions;
pub mod guard;
pub(crate) mod here;
pub(crate) mod lines;
pub(crate) mod list;
pub mod load;
pub mod logs;
pub(crate) mod machine;
mod mend;
mod names;
pub mod network;
mod programs;
pub mod queues;
mod say;
mod schema;
pub mod search;
pub mod secrets;
pub mod services;
pub(crate) mod similar;
pub mod tables;
mod tags;
pub mod topics;
pub(crate) mod uses;
pub(crate) mod whereabouts;
mod wildcard;
pub mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use self::alerts::Alerts;
use self::api::Api;
use self::caches::Cache;
use self::databases::Database;
use self::functions::Function;
use self::guard::Guard;
use self::logs::{Logs, Shipping};
use self::network::Network;
use self::queues::Queue;
use self::search::Search;
use self::secrets::Secret;
use self::services::Service;
use self::tables::Table;
use self::topics::Topic;
use self::words::{Name, Profile};
use crate::yaml::Positions;

/// A stack: a small event-driven backend on AWS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "provision stack")]
pub struct Stack {
    /// The name of the stack. Every name that AWS shows starts with `<stack>-<env>-`.
    pub stack: Name,
    /// The AWS region, of any partition. If it is not set here, `--region` or the AWS profile says it.
    #[schemars(regex(pattern = r"^[a-z]+(-[a-z]+)+-[0-9]+$"))]
    pub region: Option<String>,
    /// The only account that this stack may be deployed to, as 12 digits in quotes.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// The IAM policy that bounds every role of the stack: its name in the account or its whole ARN. `none` takes a
    /// boundary away. If this is not set, the roles get `provision-<stack>-<env>`, which `provision policy` prints, if
    /// the account has that policy. Otherwise each role keeps the boundary that it has, if any.
    #[schemars(regex(
        pattern = r"^(arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/)?([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,128}$"
    ))]
    pub permissions_boundary: Option<String>,
    /// Tags for every resource that takes any, for example for cost allocation. A tag that leaves the file is taken
    /// off. Tags that others put on a resource are left alone.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Limits that no environment may cross.
    pub guard: Option<Guard>,
    /// The environments, chosen by `--env`. Each may repeat any section to change it.
    #[serde(default)]
    pub environments: BTreeMap<Name, Environment>,
    #[serde(default)]
    pub network: Network,
    /// MySQL databases, each with an optional read replica. The name of a database is also that of its schema, with `_`
    /// for `-`. It cannot be a reserved word of MySQL.
    #[serde(default)]
    pub databases: BTreeMap<Name, Database>,
    /// Valkey or Redis caches.
    #[serde(default)]
    pub caches: BTreeMap<Name, Cache>,
    /// SNS topics.
    #[serde(default)]
    pub topics: BTreeMap<Name, Topic>,
    /// SQS queues, each with a dead-letter queue.
    #[serde(default)]
    pub queues: BTreeMap<Name, Queue>,
    /// DynamoDB tables.
    #[serde(default)]
    pub tables: BTreeMap<Name, Table>,
    /// OpenSearch domains.
    #[serde(default)]
    pub search: BTreeMap<Name, Search>,
    /// Secrets in Secrets Manager. Each is generated once, or somebody else made it. None is ever shown.
    #[serde(default)]
    pub secrets: BTreeMap<Name, Secret>,
    /// Lambda functions of the bundled runtime.
    #[serde(default)]
    pub functions: BTreeMap<Name, Function>,
    /// The settings of the HTTP API that all functions with `http` share.
    pub api: Option<Api>,
    /// Services on ECS Fargate.
    #[serde(default)]
    pub services: BTreeMap<Name, Service>,
    /// Which logs are shipped to which search domain.
    pub logs: Option<Logs>,
    /// The people who are told when something is wrong.
    pub alerts: Option<Alerts>,
}

/// The differences of one environment. A section that is repeated here is laid over that of the stack.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The set of defaults. Default: `prod` for an environment of that name, else `dev`.
    pub profile: Option<Profile>,
    pub region: Option<serde_json::Value>,
    pub account: Option<serde_json::Value>,
    pub permissions_boundary: Option<serde_json::Value>,
    pub tags: Option<serde_json::Value>,
    pub network: Option<serde_json::Value>,
    pub databases: Option<serde_json::Value>,
    pub caches: Option<serde_json::Value>,
    pub topics: Option<serde_json::Value>,
    pub queues: Option<serde_json::Value>,
    pub tables: Option<serde_json::Value>,
    pub search: Option<serde_json::Value>,
    pub secrets: Option<serde_json::Value>,
    pub functions: Option<serde_json::Value>,
    pub api: Option<serde_json::Value>,
    pub services: Option<serde_json::Value>,
    pub logs: Option<serde_json::Value>,
    pub alerts: Option<serde_json::Value>,
}

/// A stack without problems, in one environment, with the text and the positions of the file that it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub stack: Stack,
    pub env: String,
    pub profile: Profile,
    /// The text of the whole file. The file is never read again, because it may have changed by then.
    pub text: Arc<str>,
    /// The place of each value of this environment in the text.
    pub positions: Arc<Positions>,
}

impl Stack {
    /// The shipping of logs, if the stack ships some.
    pub(crate) fn shipping(&self) -> Option<Shipping<'_>> {
        self.logs.as_ref()?.shipping()
    }

    /// Everything that `uses:` can name, with its section.
    pub(crate) fn usable(&self) -> Vec<(&'static str, &Name)> {
        let mut all = Vec::new();
        all.extend(self.databases.keys().map(|name| ("databases", name)));
        all.extend(self.caches.keys().map(|name| ("caches", name)));
        all.extend(self.topics.keys().map(|name| ("topics", name)));
        all.extend(self.queues.keys().map(|name| ("queues", name)));
        all.extend(self.tables.keys().map(|name| ("tables", name)));
        all.extend(self.search.keys().map(|name| ("search", name)));
        all.extend(self.secrets.keys().map(|name| ("secrets", name)));
        // A function or a service with `http` has an address.
        all.extend(self.functions.keys().map(|name| ("functions", name)));
        all.extend(self.services.keys().map(|name| ("services", name)));
        all
    }

    /// Whether this is a function or a service without `http`, which nobody can send a request to.
    pub(crate) fn without_address(&self, name: &Name) -> bool {
        self.functions.get(name).is_some_and(|function| function.http.is_none())
            || self.services.get(name).is_some_and(|service| service.http.is_none())
    }

    /// Whether there is a server of messages on a laptop. It is the door to tables too.
    pub(crate) fn has_messages(&self) -> bool {
        let failures = self.functions.values().any(Function::keeps_failures);
        failures || !self.topics.is_empty() || !self.queues.is_empty() || !self.tables.is_empty()
    }

    /// Whether there is a load balancer, which the internet reaches.
    pub fn has_load_balancer(&self) -> bool {
        self.services.values().any(|service| service.http.is_some())
    }
}

impl Loaded {
    /// Whether a section needs a VPC.
    pub fn needs_network(&self) -> bool {
        let Stack { services, databases, caches, search, .. } = &self.stack;
        let search_inside = Search::is_inside(self.profile) && !search.is_empty();
        !services.is_empty() || !databases.is_empty() || !caches.is_empty() || search_inside
    }
}
