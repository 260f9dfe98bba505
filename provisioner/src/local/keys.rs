//! The passwords of a stack on this machine. They are generated once, in a file that only its user can read.

use std::collections::BTreeMap;

use anyhow::Context;
use local::engines::ports;
use local::supervisor::place::Place;

use crate::scope::hex;

pub(crate) struct Keys(BTreeMap<String, String>);

/// All passwords that a stack may ever need. An unused password does no harm, and none changes when the stack file
/// does.
const NAMES: [&str; 4] = ["app", "cache", "owner", "replication"];

pub(crate) fn load(place: &Place) -> anyhow::Result<Keys> {
    let path = place.state().join("keys.json");
    if let Ok(bytes) = std::fs::read(&path) {
        let keys = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
        return Ok(Keys(keys));
    }
    let mut keys = BTreeMap::new();
    for name in NAMES {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("generating a password: {error}"))?;
        keys.insert(name.to_owned(), hex(&bytes));
    }
    ports::write(&path, &serde_json::to_vec_pretty(&keys)?)?;
    Ok(Keys(keys))
}

impl Keys {
    pub(crate) fn get(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}
