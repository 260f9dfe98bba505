//! `functions:`, Lambda functions of the bundled runtime.
//!
//! - [`routes`]: which requests of the stack's HTTP API a function gets.
//! - [`check`]: finds the mistakes in functions; [`notes`]: tells what is allowed and may be too much.
//! - [`aws`]: the functions on Lambda, what calls them, and the HTTP API.
//! - [`probe`]: the way of a probe through them.
//! - [`local`]: a part for each on this machine.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;
pub mod notes;
pub(crate) mod probe;
pub(crate) mod routes;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::queues::Queue;
use super::search::Search;
use super::uses::{User, used};
use super::words::{Name, Span, variable};
use super::{Loaded, Stack};

/// A Lambda function that runs a role of the bundled runtime.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The role of the bundled runtime that the function runs.
    pub role: String,
    /// The databases, caches, topics, queues, search domains and secrets that the function uses, and the functions and
    /// services whose address it needs. For each it gets the environment variables and the rights together.
    #[serde(default)]
    pub uses: Vec<Name>,
    /// The databases whose schema the function owns. A second function, `<database>-migrate`, brings the schema up to
    /// date before the database is used. A database has one owner.
    #[serde(default)]
    pub owns: Vec<Name>,
    /// The requests of the stack's HTTP API that the function gets. Without this it gets none.
    pub http: Option<Http>,
    /// The source whose events the function gets: a queue, a topic or a schedule.
    pub on: Option<On>,
    /// The memory in MiB. The share of a CPU grows with it. Default: 256.
    #[schemars(range(min = 128, max = 10240))]
    pub memory: Option<u32>,
    /// The time for one event. Default: `10s`, at most `15m`. The HTTP API waits for 30 seconds at most.
    pub timeout: Option<Span>,
    /// How many events are handled at a time, at most. With a queue it is the limit of the queue's events alone (2 to
    /// 1000), else it is reserved concurrency. Default: no limit of its own.
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
    /// Further environment variables. Do not put secrets here: everybody who may see the function can read them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// The requests that a function gets from the stack's one HTTP API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Paths: exact ones such as `/log`, `{name}` for one segment, a last `/*` for everything below. Default: every
    /// request that no other function takes.
    #[serde(default)]
    pub paths: Vec<String>,
    /// HTTP methods. Default: all. `GET` does not bring `HEAD` with it.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// The source of a function's events. It is one of `queue`, `table`, `topic` and `every`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// The queue whose messages the function gets.
    pub queue: Option<Name>,
    /// The table whose changes the function gets, from its stream. Changes that it fails at go to the queue
    /// `<function>-failed`, as places in the stream.
    pub table: Option<Name>,
    /// Where the reading of the stream begins: with the oldest change that it still has (24 hours), or with those after
    /// `up`. Default: `oldest`. Chosen once.
    pub from: Option<Begin>,
    /// How often a change is tried again before it goes to the queue of failed events. A batch that fails is halved each
    /// time. Default: 10.
    #[schemars(range(min = 0, max = 10000))]
    pub retries: Option<u32>,
    /// How many messages of the queue are in one event, at most. Default: 10. More than 10 need a `window`. Of a table
    /// it is the number of changes. Default: 100.
    #[schemars(range(min = 1, max = 10000))]
    pub batch: Option<u32>,
    /// How long to wait for more messages of the queue, or more changes of the table. Default: `0s`, at most `5m`.
    pub window: Option<Span>,
    /// The topic whose messages the function gets. Messages that it fails at go to the queue `<function>-failed`.
    pub topic: Option<Name>,
    /// The messages of the topic that the function gets, as a filter policy of SNS on the message's attributes. Default:
    /// all.
    pub filter: Option<Value>,
    /// A schedule: the time between two events, in whole minutes, `1m` to `24h`.
    pub every: Option<Span>,
}

/// Where the reading of a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    Oldest,
    Latest,
}

impl Begin {
    /// The place in Lambda's words.
    pub fn word(self) -> &'static str {
        match self {
            Begin::Oldest => "TRIM_HORIZON",
            Begin::Latest => "LATEST",
        }
    }
}

impl Function {
    pub fn memory(&self) -> u32 {
        self.memory.unwrap_or(256)
    }

    /// The time for one event, in seconds.
    pub fn timeout_seconds(&self) -> u64 {
        self.timeout.as_ref().map_or(10, Span::seconds)
    }

    pub(crate) fn queue(&self) -> Option<&Name> {
        self.on.as_ref()?.queue.as_ref()
    }

    pub(crate) fn table(&self) -> Option<&Name> {
        self.on.as_ref()?.table.as_ref()
    }

    pub(crate) fn topic(&self) -> Option<&Name> {
        self.on.as_ref()?.topic.as_ref()
    }

    /// The minutes between two events of its schedule.
    pub(crate) fn every_minutes(&self) -> Option<u64> {
        Some(self.on.as_ref()?.every.as_ref()?.seconds() / 60)
    }

    /// Whether its events are handed over, and nobody waits for the function.
    pub(crate) fn is_asynchronous(&self) -> bool {
        self.topic().is_some() || self.every_minutes().is_some()
    }

    /// Whether there is a queue for the events that it fails at.
    pub(crate) fn keeps_failures(&self) -> bool {
        self.is_asynchronous() || self.table().is_some()
    }
}

impl On {
    pub fn batch(&self) -> u32 {
        self.batch.unwrap_or(if self.table.is_some() { 100 } else { 10 })
    }

    pub fn begin(&self) -> Begin {
        self.from.unwrap_or(Begin::Oldest)
    }

    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(10)
    }

    pub fn window_seconds(&self) -> u64 {
        self.window.as_ref().map_or(0, Span::seconds)
    }
}

impl Stack {
    /// The function that takes the messages of a queue.
    pub(crate) fn taker_of(&self, queue: &Name) -> Option<(&Name, &Function)> {
        self.functions.iter().find(|(_, function)| function.queue() == Some(queue))
    }

    /// How long a received message of a queue is hidden, in seconds. If the file does not say it, a function that takes
    /// the messages has time for its retries (Lambda developer guide, SQS: six times the timeout, and the window).
    pub(crate) fn hidden_seconds(&self, name: &Name, queue: &Queue) -> u64 {
        match self.taker_of(name) {
            Some((_, function)) if queue.visibility_timeout.is_none() => {
                let window = function.on.as_ref().map_or(0, On::window_seconds);
                6 * function.timeout_seconds() + window
            }
            _ => queue.visibility_seconds(),
        }
    }

    /// The databases whose schema a function owns, each with that function.
    pub(crate) fn owned_by_functions(&self) -> impl Iterator<Item = (&Name, &Name, &Function)> {
        self.functions
            .iter()
            .flat_map(|(name, function)| function.owns.iter().map(move |owned| (owned, name, function)))
    }

    /// The queues of events that functions failed at, each with its function.
    pub(crate) fn failed_queues(&self) -> impl Iterator<Item = (String, &Name)> {
        self.functions.iter().filter(|(_, it)| it.keeps_failures()).map(|(name, _)| (failed(&name.0), name))
    }

    /// Whether there is an HTTP API, which the internet reaches.
    pub fn has_api(&self) -> bool {
        self.functions.values().any(|function| function.http.is_some())
    }
}

impl Loaded {
    /// Whether a function is inside the VPC.
    pub(crate) fn is_inside(&self, function: &Function) -> bool {
        self.has_inside(function.user())
    }

    /// Whether something that is used is inside the VPC.
    pub(crate) fn has_inside(&self, user: User<'_>) -> bool {
        let used = used(&self.stack, user);
        let search = Search::is_inside(self.profile) && !used.searches.is_empty();
        !used.databases.is_empty() || !used.caches.is_empty() || search
    }
}

/// The function that migrates the schema of a database uses that database, and nothing else of its owner's.
pub(crate) fn migrates(database: &Name) -> User<'_> {
    User { uses: &[], owns: std::slice::from_ref(database) }
}

/// The firewall group that all functions inside the VPC share. Lambda has one network interface for each set of subnets
/// and groups, so a set of their own for each function would be more interfaces to wait for.
pub(crate) const FIREWALL: &str = "functions";

/// The role that a function has.
pub(crate) fn role(function: &str) -> String {
    format!("{function}-function")
}

/// The function that brings the schema of a database up to date.
pub(crate) fn migration(database: &str) -> String {
    format!("{database}{MIGRATE}")
}

pub(crate) const MIGRATE: &str = "-migrate";

/// The queue for events that a function failed at.
pub(crate) fn failed(function: &str) -> String {
    format!("{function}{FAILED}")
}

pub(crate) const FAILED: &str = "-failed";

/// The name of the HTTP API, on AWS and on a laptop.
pub(crate) const API: &str = "http-api";

/// The variable with the address of a function or service that has `http`: `FACTORY_URL`.
pub(crate) fn address_variable(name: &str) -> String {
    format!("{}_URL", variable(name))
}
