//! The context that the `local.rs` of every section is given: the stack, the programs of this machine, and the places
//! of its processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use local::balancer::config as balancer;
use local::engines::mariadb;
use local::http_api::config as api;
use local::supervisor::part::Part;
use local::supervisor::place::Place;
use serde_json::Value;

use super::Loaded;
use super::databases::pairs::{Pair, Roles};
use super::queues::{Queue, dead_letter_name};
use super::search::engine::Search;
use crate::local::keys::Keys;
use crate::local::kinds::{Process, ProcessSpec};
use crate::plan::desired::Desired;
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
    /// The same as the parts, and the topics, queues and routes of two of them, for a plan.
    pub(crate) desired: Desired,
    pub(crate) parts: Vec<Part>,
    pub(crate) databases: Vec<Servers>,
    /// The file that the load balancer reads, and what is to be in it.
    pub(crate) routes: Option<(PathBuf, balancer::Config)>,
    /// The file that the HTTP API reads, and what is to be in it.
    pub(crate) api: Option<(PathBuf, api::Config)>,
    /// The outputs that people need, such as `services.address`. The only secret among them is the dashboard's address,
    /// which opens it.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// Notes on what stands in for an AWS service here, and what it cannot do.
    pub(crate) notes: Vec<String>,
    /// The environment of `runtime probe`, if a service takes reservations.
    pub(crate) probe: Option<Probe>,
}

impl Laptop {
    /// The port of a part that listens.
    pub(crate) fn port_of(&self, part: &str) -> Option<u16> {
        self.parts.iter().find(|one| one.name == part)?.port
    }
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
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// The result is only looked at, and nothing is written.
    Look,
    /// The parts with these names are about to run. The configuration of the others stays as it is.
    Run(&'a BTreeSet<String>),
}

/// The programs that a stack is run with.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) database: Option<mariadb::Program>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) search: Search,
    /// `None` if no service runs the bundled runtime.
    pub(crate) runtime: Option<Runtime>,
}

impl Programs {
    /// The same programs, with another build of the runtime.
    pub(crate) fn rebuilt(&self) -> Programs {
        let mut programs = self.clone();
        if let Some(runtime) = &mut programs.runtime {
            runtime.build = "another".to_owned();
        }
        programs
    }
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
    pub(crate) programs: &'a Programs,
    /// This program, which also runs as several of the parts.
    pub(crate) program: PathBuf,
    pub(crate) laptop: Laptop,
    pub(crate) purpose: Purpose<'a>,
}

impl Making<'_> {
    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or_default()
    }

    /// The scope that AWS would have, so that names are the same there and here.
    pub(crate) fn scope(&self) -> Scope {
        scope(self.loaded)
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.place.state().join("data").join(name)
    }

    /// Whether the configuration of this part is to be written.
    pub(crate) fn writes(&self, part: &str) -> bool {
        match self.purpose {
            Purpose::Look => false,
            Purpose::Run(parts) => parts.contains(part),
        }
    }

    pub(crate) fn add(&mut self, section: &str, part: Part) {
        self.add_with(section, part, None);
    }

    /// Adds a replica. Somebody may have told it by hand to hold back what it gets, and the next `up` ends that.
    pub(crate) fn add_replica(&mut self, section: &str, part: Part) {
        self.add_with(section, part, Some(0));
    }

    fn add_with(&mut self, section: &str, part: Part, delay_seconds: Option<u64>) {
        let part = Part { section: section.to_owned(), ..part };
        let spec = ProcessSpec::of(&part, delay_seconds);
        self.laptop.desired.add::<Process>(section, &part.name, spec);
        self.laptop.parts.push(part);
    }

    pub(crate) fn export(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.laptop.outputs.insert(name.into(), Value::String(value.into()));
    }
}

/// The scope that AWS would have, so that names are the same there and here.
pub(crate) fn scope(loaded: &Loaded) -> Scope {
    Scope::of(loaded, account(loaded), region(loaded))
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
