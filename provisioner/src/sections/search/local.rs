//! Expands `search:` to the search engine of this machine, if it has one.

use std::collections::BTreeSet;
use std::path::Path;

use local::engines::find::Places;
use local::engines::ports as files;
use local::supervisor::place::private_directory;

use super::engine::{self, Search};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, Programs};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    loaded.stack.search.keys().map(|name| name.0.clone()).collect()
}

/// Keeps ports that a node from a Maven repository takes.
pub(crate) fn prefer_ports(state: &Path, loaded: &Loaded, in_use: &BTreeSet<String>) -> anyhow::Result<()> {
    if loaded.stack.search.is_empty() {
        return Ok(());
    }
    if let Ok(Search::Fetched { .. }) = engine::find(&Places::of_this_machine(), engine::choice()?) {
        for name in loaded.stack.search.keys() {
            files::prefer(state, &name.0, engine::PORTS, in_use)?;
        }
    }
    Ok(())
}

/// Whether the engine of a domain takes this port, if the name is a domain's.
pub(crate) fn takes(loaded: &Loaded, programs: &Programs, name: &str, port: u16) -> bool {
    let is_domain = loaded.stack.search.keys().any(|domain| domain.0 == name);
    !is_domain || !matches!(programs.search, Search::Fetched { .. }) || engine::PORTS.contains(&port)
}

/// The address of a search domain, if there is an engine.
pub(crate) fn endpoint(making: &Making<'_>, name: &str) -> Option<String> {
    match &making.programs.search {
        Search::Theirs(url) => Some(url.clone()),
        Search::Light(_) | Search::Installed(_) | Search::Fetched { .. } => {
            Some(format!("http://127.0.0.1:{}", making.port(name)))
        }
        Search::None => None,
    }
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let names: Vec<String> = making.loaded.stack.search.keys().map(|name| name.0.clone()).collect();
    if !names.is_empty() {
        making.laptop.notes.push(making.programs.search.note());
    }
    for name in names {
        let directory = making.directory(&name);
        let parts = making.programs.search.parts(&name, making.port(&name), &directory, &making.program);
        if parts.iter().any(|part| making.writes(&part.name)) {
            private_directory(&directory)?;
        }
        for part in parts {
            making.add(&format!("search.{name}"), part);
        }
        if let Some(endpoint) = endpoint(making, &name) {
            making.export(format!("search.{name}.endpoint"), endpoint);
        }
    }
    Ok(())
}
