//! A stack on this machine: the same file, real engines, no account. The crate `local` runs them; here stands what a
//! stack file becomes.
//!
//! There is no state file here either. What runs is for the supervisor to say; the state directory holds data, the
//! passwords that were generated, the ports that were chosen, and what was last applied, for the words of a plan.

mod dashboard;
mod environment;
mod expand;
mod keys;
mod plan;
mod programs;
mod roles;
pub(crate) mod search;
mod services;
pub(crate) mod stacks;
pub(crate) mod tools;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use local::engines::find::Places;
use local::engines::{mariadb, ports};
use local::supervisor::client;
use local::supervisor::part::Part;
use local::supervisor::place::{Place, private_directory};
use local::supervisor::protocol::PartStatus;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::expand::named;
pub(crate) use self::plan::{Action, Described, Difference, differences};
pub(crate) use self::roles::{Pair, Roles};
use self::search::Search;
pub(crate) use self::watch::{Part as WatchedPart, Watched, delays, watch};
use crate::scope::hex;
use crate::stack::Loaded;

/// What a stack becomes on this machine.
pub(crate) struct Laptop {
    pub(crate) place: Place,
    pub(crate) parts: Vec<Part>,
    pub(crate) databases: Vec<Servers>,
    /// Which part of the stack file asks for a part.
    pub(crate) sections: BTreeMap<String, String>,
    /// What people need: `services.address`, and the like. No secret but the dashboard's address, which opens it.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// What runs instead of what, and what it cannot do.
    pub(crate) notes: Vec<String>,
    /// What `runtime probe` gets, where a service reserves.
    pub(crate) probe: Option<Probe>,
}

pub(crate) struct Probe {
    pub(crate) program: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
}

/// One database, as its servers are to be.
pub(crate) struct Servers {
    pub(crate) pair: Pair,
    pub(crate) program: mariadb::Program,
    pub(crate) primary: mariadb::Server,
    pub(crate) replica: Option<mariadb::Server>,
}

/// Of one stack file: two of them, also two copies in two folders, are two stacks.
pub(crate) fn state_directory(file: &Path, loaded: &Loaded) -> anyhow::Result<PathBuf> {
    let file = file.canonicalize().with_context(|| format!("finding {}", file.display()))?;
    let digest = Sha256::digest(file.as_os_str().as_encoded_bytes());
    Ok(home()?.join(format!("{}-{}-{}", loaded.stack.stack, loaded.env, hex(&digest[..4]))))
}

/// Whether what is worked out is only looked at, or about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing that runs may notice: it reads some of the configuration files again when they change.
    Look,
    Run,
}

/// Works everything out, and to run it writes the configuration files. Starts nothing.
pub(crate) fn prepare(state: &Path, loaded: &Loaded, purpose: Purpose) -> anyhow::Result<Laptop> {
    let place = Place::open(state)?;
    let keys = keys::load(&place)?;
    let roles = Roles::load(place.state())?;
    let names = expand::ports(loaded);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let in_use = in_use(state)?;
    if !loaded.stack.search.is_empty()
        && let Ok(Search::Fetched { .. }) = search::find(&Places::of_this_machine(), search::choice()?)
    {
        for name in loaded.stack.search.keys() {
            ports::prefer(place.state(), &name.0, search::PORTS, &in_use)?;
        }
    }
    let (ports, moved) = ports::choose(place.state(), &names, &in_use)?;
    let mut laptop = expand::expand(loaded, &place, &keys, &roles, &ports, purpose)?;
    for ports::Moved { name, from, to } in moved {
        laptop.notes.push(format!("port {from} of `{name}` is taken by somebody else: it has {to} now"));
    }
    Ok(laptop)
}

/// What runs, if anything does.
pub(crate) fn status(state: &Path) -> anyhow::Result<Vec<PartStatus>> {
    client::running(state).map_or_else(|| Ok(Vec::new()), |client| client.status())
}

/// Where the states of all stacks are, and what can be made again: templates, programs that were fetched.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    from("PROVISION_HOME", "XDG_STATE_HOME", ".local/state").map(|home| home.join("stacks"))
}

pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    from("PROVISION_HOME", "XDG_CACHE_HOME", ".cache").map(|home| home.join("cache"))
}

fn from(own: &str, xdg: &str, usual: &str) -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").context("neither PROVISION_HOME nor HOME is set").map(|home| home.join(usual));
    let all = set(own).map(Ok).or_else(|| set(xdg).map(|xdg| Ok(xdg.join("provision"))));
    let directory = all.unwrap_or_else(|| home().map(|home| home.join("provision")))?;
    // It becomes part of configuration files and arguments.
    ensure!(
        directory.to_str().is_some(),
        "`{}` is a path that is not UTF-8: set PROVISION_HOME to one that is",
        directory.display()
    );
    private_directory(&directory).with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}

/// The addresses that parts of this stack listen on, by their names.
fn in_use(state: &Path) -> anyhow::Result<BTreeSet<String>> {
    let live: BTreeSet<u16> = status(state)
        .unwrap_or_default()
        .iter()
        .filter(|part| part.pid.is_some())
        .filter_map(|part| part.port)
        .collect();
    let kept = ports::kept(state)?;
    Ok(kept.into_iter().filter(|(_, port)| live.contains(port)).map(|(name, _)| name).collect())
}
