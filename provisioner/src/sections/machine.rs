//! The context that the `local.rs` of every section is given: the stack, the programs of this machine, and the places
//! of its processes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use local::engines::mariadb;
use local::supervisor::part::Part;
use local::supervisor::place::Place;
use serde_json::Value;

use super::Loaded;
use super::databases::pairs::{Pair, Roles};
use super::queues::{Queue, dead_letter_name};
use super::search::engine::Search;
use crate::local::keys::Keys;
use crate::scope::Scope;

/// A section on this machine.
pub(crate) struct Local {
    /// The names of all processes that listen. Each gets a port.
    pub(crate) ports: fn(&Loaded) -> Vec<String>,
    /// Adds the processes that the section becomes.
    pub(crate) expand: fn(&mut Making<'_>) -> anyhow::Result<()>,
}

/// A stack on this machine.
pub(crate) struct Laptop {
    pub(crate) place: Place,
    pub(crate) parts: Vec<Part>,
    pub(crate) databases: Vec<Servers>,
    /// The section that asks for each part.
    pub(crate) sections: BTreeMap<String, String>,
    /// The outputs that people need, such as `services.address`. The only secret among them is the dashboard's address,
    /// which opens it.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// Notes on what stands in for an AWS service here, and what it cannot do.
    pub(crate) notes: Vec<String>,
    /// The environment of `runtime probe`, if a service takes reservations.
    pub(crate) probe: Option<Probe>,
}

pub(crate) struct Probe {
    pub(crate) program: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
}

/// The wanted servers of one database.
pub(crate) struct Servers {
    pub(crate) pair: Pair,
    pub(crate) program: mariadb::Program,
    pub(crate) primary: mariadb::Server,
    pub(crate) replica: Option<mariadb::Server>,
}

/// Whether the result is only looked at, or about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The result is only looked at. No running part may notice: some read their configuration files again when these
    /// change.
    Look,
    Run,
}

/// The programs that a stack is run with.
pub(crate) struct Programs {
    pub(crate) database: Option<mariadb::Program>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) search: Search,
    /// `None` if no service runs the bundled runtime.
    pub(crate) runtime: Option<Runtime>,
}

/// The program of every service and of the log forwarders.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) path: PathBuf,
    /// The build of the program. Another build is a reason to restart the parts that run it.
    pub(crate) build: String,
}

/// The context of an expansion.
pub(crate) struct Making<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) keys: &'a Keys,
    pub(crate) roles: &'a Roles,
    pub(crate) place: &'a Place,
    pub(super) ports: &'a BTreeMap<String, u16>,
    pub(crate) programs: Programs,
    /// This program, which also runs as several of the parts.
    pub(crate) program: PathBuf,
    pub(crate) laptop: Laptop,
    pub(crate) purpose: Purpose,
}

impl Making<'_> {
    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or_default()
    }

    /// The scope that AWS would have, so that names are the same there and here.
    pub(crate) fn scope(&self) -> Scope {
        Scope::of(self.loaded, account(self.loaded), region(self.loaded))
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.place.state().join("data").join(name)
    }

    pub(crate) fn add(&mut self, section: impl Into<String>, part: Part) {
        self.laptop.sections.insert(part.name.clone(), section.into());
        self.laptop.parts.push(part);
    }

    pub(crate) fn export(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.laptop.outputs.insert(name.into(), Value::String(value.into()));
    }
}

/// The account id in names and ARNs if the stack file has none.
const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";

/// The account in the names of topics and queues, which are the same as on AWS.
pub(crate) fn account(loaded: &Loaded) -> String {
    loaded.stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned())
}

pub(crate) fn region(loaded: &Loaded) -> String {
    loaded.stack.region.clone().unwrap_or_else(|| REGION.to_owned())
}

/// The names of a queue and of its dead-letter queue, as on AWS.
pub(crate) fn queue_names(loaded: &Loaded, name: &str, queue: &Queue) -> (String, String) {
    (named(loaded, name, queue.fifo), named(loaded, &dead_letter_name(name), queue.fifo))
}

/// The name of a topic or a queue, as on AWS.
pub(crate) fn named(loaded: &Loaded, name: &str, fifo: bool) -> String {
    let suffix = if fifo { ".fifo" } else { "" };
    format!("{}-{}-{name}{suffix}", loaded.stack.stack, loaded.env)
}
