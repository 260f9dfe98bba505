//! The systems of the runtime. Each is a folder, and a line in [`SYSTEMS`].
//!
//! The code outside of this folder knows no system, except the list of the roles in `runtime/roles`. Tests compare the
//! two lists and read the other folders.

pub mod factoauto;
pub mod factory_api;
pub mod hello;
pub mod mrmrthon;
pub mod msa_study;
pub mod noted;
pub mod sendy;

use anyhow::{Context, bail};
use axum::Router;
use futures_util::future::BoxFuture;

use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::schema::Schema;
use crate::functions::Function;

pub struct System {
    pub name: &'static str,
    /// The databases of the system, each with a set of migrations of its own.
    pub databases: &'static [&'static Schema],
    pub roles: &'static [Role],
    /// The probe, which follows something on its whole way through the system. It is an error if a hop failed.
    pub probe: Option<Probe>,
}

pub struct Role {
    /// The name of the role in `runtime/roles`.
    pub name: &'static str,
    pub run: Run,
}

/// How a role is started. It reads its environment first, and then begins to log.
#[derive(Clone, Copy)]
pub enum Run {
    Server(Start),
    Function(for<'a> fn(&'a Environment) -> BoxFuture<'a, anyhow::Result<Function>>),
}

/// Gives the routes of a server, and starts the loops beside them.
pub type Start = for<'a> fn(&'a Environment, &'a Background) -> BoxFuture<'a, anyhow::Result<(Serve, Router)>>;
pub type Probe = for<'a> fn(&'a Environment) -> BoxFuture<'a, anyhow::Result<()>>;

pub const SYSTEMS: &[System] = &[
    factoauto::SYSTEM,
    factory_api::SYSTEM,
    hello::SYSTEM,
    mrmrthon::SYSTEM,
    msa_study::SYSTEM,
    noted::SYSTEM,
    sendy::SYSTEM,
];

/// Finds a role by its name.
pub fn role(name: &str) -> Option<Run> {
    let mut roles = SYSTEMS.iter().flat_map(|system| system.roles);
    roles.find(|role| role.name == name).map(|role| role.run)
}

/// The probe of a system. Without a name it is the probe of the only system that has one.
pub fn probe(name: Option<&str>) -> anyhow::Result<Probe> {
    only(name, "probe", SYSTEMS.iter().filter_map(|system| Some((system.name, system.probe?))).collect())
}

/// The migrations of a database, by the name of its schema. Without a name they are those of the only database.
pub fn schema(name: Option<&str>) -> anyhow::Result<&'static Schema> {
    let all = SYSTEMS.iter().flat_map(|system| system.databases);
    only(name, "schema", all.map(|schema| (schema.name, *schema)).collect())
}

fn only<T>(name: Option<&str>, what: &str, mut all: Vec<(&'static str, T)>) -> anyhow::Result<T> {
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        all.retain(|(other, _)| *other == name);
    } else if all.len() > 1 {
        bail!("there are several {what}s: name one of {names}");
    }
    all.pop().map(|(_, it)| it).with_context(|| format!("there is no {what} of this name; there are: {names}"))
}
