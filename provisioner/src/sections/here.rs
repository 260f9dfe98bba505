//! Expands a stack file to what it becomes on this machine: which processes, with which arguments, after which others,
//! and the topics, queues and routes that two of them hold. Each section says in its `local.rs` what it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use local::dashboard::part::NAME as DASHBOARD;
use local::engines::find::Places;
use local::engines::ports::{self, Moved};
use local::supervisor::place::Place;
use serde_json::Value;

use super::databases::pairs::Roles;
use super::list::SECTIONS;
use super::machine::{Laptop, Making, Programs, Purpose};
use super::search::local::{prefer_ports, takes};
use super::{Loaded, programs};
use crate::image::Otherwise;
use crate::local::dashboard;
use crate::local::home::{home, made, status};
use crate::local::keys::{self, Keys};
use crate::local::kinds::REGISTRY;
use crate::plan::desired::Desired;
use crate::plan::placeholder_after;

/// Everything that an expansion needs besides the stack file: the folders, passwords, ports and programs of a stack.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) place: Place,
    /// What was never generated is missing.
    keys: Keys,
    roles: Roles,
    /// The names that have no port yet are missing.
    ports: BTreeMap<String, u16>,
    moved: Vec<Moved>,
    programs: Programs,
    program: PathBuf,
}

impl Ground {
    /// Looks at what there is. Writes nothing.
    pub(crate) fn look(state: &Path, loaded: &Loaded) -> anyhow::Result<Ground> {
        let place = Place::would_be(state)?;
        let programs = programs::find(&Places::of_this_machine(), &loaded.stack)?;
        let names = ports_of(loaded);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut ports = ports::settled(place.state(), &names, &in_use(place.state())?)?;
        ports.retain(|name, port| takes(loaded, &programs, name, *port));
        Ground::of(place, programs, keys::kept, (ports, Vec::new()))
    }

    /// Makes what is missing: the folders, the passwords, the ports.
    pub(crate) fn make(state: &Path, loaded: &Loaded) -> anyhow::Result<Ground> {
        made(home()?)?;
        let place = Place::open(state)?;
        let programs = programs::find(&Places::of_this_machine(), &loaded.stack)?;
        let names = ports_of(loaded);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let in_use = in_use(state)?;
        prefer_ports(place.state(), loaded, &in_use)?;
        let chosen = ports::choose(place.state(), &names, &in_use)?;
        Ground::of(place, programs, |place| keys::load(place, loaded), chosen)
    }

    fn of(
        place: Place,
        programs: Programs,
        keys: impl Fn(&Place) -> anyhow::Result<Keys>,
        (ports, moved): (BTreeMap<String, u16>, Vec<Moved>),
    ) -> anyhow::Result<Ground> {
        let roles = Roles::load(place.state())?;
        let program = std::env::current_exe().context("finding this program")?;
        Ok(Ground { keys: keys(&place)?, place, roles, ports, moved, programs, program })
    }

    /// The stack as it would be here. Values that depend on a port or a password which is not there yet are not known.
    pub(crate) fn look_at(&self, loaded: &Loaded) -> anyhow::Result<Laptop> {
        let mut laptop = self.expand(loaded, Purpose::Look, Guess::One)?;
        if self.lacks(loaded) {
            let other = self.expand(loaded, Purpose::Look, Guess::Another)?;
            laptop.desired.blur(&other.desired, &unknown);
        }
        Ok(laptop)
    }

    /// The stack as it is about to run. The configuration of these parts is written.
    pub(crate) fn prepare(&self, loaded: &Loaded, parts: &BTreeSet<String>) -> anyhow::Result<Laptop> {
        self.expand(loaded, Purpose::Run(parts), Guess::One)
    }

    /// The resources that another stack would become here, for the reasons of a plan.
    pub(crate) fn other(&self, loaded: &Loaded, otherwise: Otherwise) -> Desired {
        let anew =
            (otherwise == Otherwise::Rebuilt).then(|| Ground { programs: self.programs.rebuilt(), ..self.clone() });
        let laptop = anew.as_ref().unwrap_or(self).look_at(loaded);
        laptop.map_or_else(|_| Desired::new(REGISTRY), |laptop| laptop.desired)
    }

    fn lacks(&self, loaded: &Loaded) -> bool {
        !self.keys.suffice(loaded) || ports_of(loaded).iter().any(|name| !self.ports.contains_key(name))
    }

    fn expand(&self, loaded: &Loaded, purpose: Purpose<'_>, guess: Guess) -> anyhow::Result<Laptop> {
        let keys = self.keys.clone().filled(loaded, guess.text());
        let mut ports = self.ports.clone();
        for (name, guessed) in ports_of(loaded).into_iter().zip(guess.first()..) {
            ports.entry(name).or_insert(guessed);
        }
        let moved = |Moved { name, from, to }: &Moved| {
            format!("port {from} of `{name}` is taken by somebody else: it has {to} now")
        };
        let laptop = Laptop {
            place: self.place.clone(),
            desired: Desired::new(REGISTRY),
            parts: Vec::new(),
            databases: Vec::new(),
            routes: None,
            api: None,
            outputs: BTreeMap::new(),
            notes: Vec::new(),
            probe: None,
        };
        let (program, programs, place, roles) = (self.program.clone(), &self.programs, &self.place, &self.roles);
        let mut making =
            Making { loaded, keys: &keys, roles, place, ports: &ports, programs, program, laptop, purpose };
        for section in SECTIONS {
            if let Some(local) = &section.local {
                (local.expand)(&mut making)?;
            }
        }
        dashboard::expand(&mut making)?;
        making.laptop.notes.extend(self.moved.iter().map(moved));
        Ok(making.laptop)
    }
}

/// A stand-in for ports and passwords that do not exist yet. A value that is another one with other stand-ins is not
/// known yet.
#[derive(Clone, Copy)]
enum Guess {
    One,
    Another,
}

impl Guess {
    fn text(self) -> &'static str {
        match self {
            Guess::One => "one",
            Guess::Another => "another",
        }
    }

    fn first(self) -> u16 {
        match self {
            Guess::One => 1,
            Guess::Another => 20_001,
        }
    }
}

/// The value as far as both have it. A text that differs is not known before `up` chooses ports and passwords.
fn unknown(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.iter().map(|(key, value)| (key.clone(), unknown(value, &other[key]))).collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).map(|(one, other)| unknown(one, other)).collect()
        }
        (one, other) if one == other => one.clone(),
        _ => placeholder_after("up"),
    }
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
