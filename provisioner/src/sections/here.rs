//! Expands a stack file to the parts of this machine: which processes, with which arguments, and after which others.
//! Each section says in its `local.rs` which parts it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use local::dashboard::part::NAME as DASHBOARD;
use local::engines::find::Places;
use local::engines::ports;
use local::supervisor::place::Place;

use super::databases::pairs::Roles;
use super::list::SECTIONS;
use super::machine::{Laptop, Making, Purpose};
use super::search::local::prefer_ports;
use super::{Loaded, programs};
use crate::local::dashboard;
use crate::local::home::status;
use crate::local::keys::{self, Keys};

/// Works out all parts. If they are to run, it also writes the configuration files. It starts nothing.
pub(crate) fn prepare(state: &Path, loaded: &Loaded, purpose: Purpose) -> anyhow::Result<Laptop> {
    let place = Place::open(state)?;
    let keys = keys::load(&place)?;
    let roles = Roles::load(place.state())?;
    let names = ports_of(loaded);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let in_use = in_use(state)?;
    prefer_ports(place.state(), loaded, &in_use)?;
    let (ports, moved) = ports::choose(place.state(), &names, &in_use)?;
    let mut laptop = expand(loaded, &place, &keys, &roles, &ports, purpose)?;
    for ports::Moved { name, from, to } in moved {
        laptop.notes.push(format!("port {from} of `{name}` is taken by somebody else: it has {to} now"));
    }
    Ok(laptop)
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
/// The names of all parts that listen.
fn ports_of(loaded: &Loaded) -> Vec<String> {
    let listening = SECTIONS.iter().filter_map(|section| section.local.as_ref());
    let mut names: Vec<String> = listening.flat_map(|local| (local.ports)(loaded)).collect();
    names.push(DASHBOARD.to_owned());
    names
}

fn expand(
    loaded: &Loaded,
    place: &Place,
    keys: &Keys,
    roles: &Roles,
    ports: &BTreeMap<String, u16>,
    purpose: Purpose,
) -> anyhow::Result<Laptop> {
    let programs = programs::find(&Places::of_this_machine(), &loaded.stack)?;
    let laptop = Laptop {
        place: place.clone(),
        parts: Vec::new(),
        databases: Vec::new(),
        sections: BTreeMap::new(),
        outputs: BTreeMap::new(),
        notes: Vec::new(),
        probe: None,
    };
    let program = std::env::current_exe().context("finding this program")?;
    let mut making = Making { loaded, keys, roles, place, ports, programs, program, laptop, purpose };
    for section in SECTIONS {
        if let Some(local) = &section.local {
            (local.expand)(&mut making)?;
        }
    }
    dashboard::expand(&mut making)?;
    Ok(making.laptop)
}
