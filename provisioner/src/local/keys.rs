//! The passwords of a stack on this machine. They are generated once, in a file that only its user can read.

use std::collections::BTreeMap;

use anyhow::Context;
use local::engines::ports;
use local::supervisor::place::Place;

use crate::scope::hex;

#[derive(Clone)]
pub(crate) struct Keys(BTreeMap<String, String>);

/// All passwords that a stack may ever need. An unused password does no harm, and none changes when the stack file
/// does.
const NAMES: [&str; 4] = ["app", "cache", "owner", "replication"];

/// Reads the passwords. `None` if they were never generated.
pub(crate) fn kept(place: &Place) -> anyhow::Result<Option<Keys>> {
    let path = place.state().join(FILE);
    let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
    let keys = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(Keys(keys)))
}

/// Reads the passwords, and generates them first if they are missing.
pub(crate) fn load(place: &Place) -> anyhow::Result<Keys> {
    if let Some(keys) = kept(place)? {
        return Ok(keys);
    }
    let mut keys = BTreeMap::new();
    for name in NAMES {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("generating a password: {error}"))?;
        keys.insert(name.to_owned(), hex(&bytes));
    }
    ports::write(&place.state().join(FILE), &serde_json::to_vec_pretty(&keys)?)?;
    Ok(Keys(keys))
}

const FILE: &str = "keys.json";

impl Keys {
    /// The same text in the place of each password.
    pub(crate) fn all(text: &str) -> Keys {
        Keys(NAMES.iter().map(|name| ((*name).to_owned(), text.to_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}
