//! The passwords and secrets of a stack on this machine. They are generated once, in a file that only its user can read.

use std::collections::BTreeMap;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use local::engines::ports;
use local::supervisor::place::Place;

use crate::scope::hex;
use crate::sections::{Loaded, secrets};

#[derive(Clone)]
pub(crate) struct Keys(BTreeMap<String, String>);

/// All passwords of engines that a stack may ever need. An unused password does no harm, and none changes when the stack file
/// does.
pub(crate) const NAMES: [&str; 4] = ["app", "cache", "owner", "replication"];

/// Reads what was generated before.
pub(crate) fn kept(place: &Place) -> anyhow::Result<Keys> {
    let path = place.state().join(FILE);
    let Ok(bytes) = std::fs::read(&path) else { return Ok(Keys(BTreeMap::new())) };
    let keys = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
    Ok(Keys(keys))
}

/// Reads the passwords and the secrets of the stack. What is missing is generated first. What the stack does not ask for
/// any more stays, because it may ask for it again.
pub(crate) fn load(place: &Place, loaded: &Loaded) -> anyhow::Result<Keys> {
    let Keys(mut keys) = kept(place)?;
    let before = keys.len();
    for name in names(loaded) {
        if keys.contains_key(&name) {
            continue;
        }
        let is_ours = NAMES.contains(&name.as_str());
        let mut bytes = vec![0; if is_ours { 16 } else { secrets::BYTES }];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("generating a password: {error}"))?;
        let value = if is_ours { hex(&bytes) } else { BASE64_URL_SAFE_NO_PAD.encode(&bytes) };
        keys.insert(name, value);
    }
    if keys.len() != before {
        ports::write(&place.state().join(FILE), &serde_json::to_vec_pretty(&keys)?)?;
    }
    Ok(Keys(keys))
}

const FILE: &str = "keys.json";

fn names(loaded: &Loaded) -> impl Iterator<Item = String> {
    let secrets: Vec<String> = loaded.stack.secrets.keys().map(|name| name.0.clone()).collect();
    NAMES.into_iter().map(str::to_owned).chain(secrets)
}

impl Keys {
    pub(crate) fn get(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Whether nothing is missing for the stack.
    pub(crate) fn suffice(&self, loaded: &Loaded) -> bool {
        names(loaded).all(|name| self.0.contains_key(&name))
    }

    /// The same, with this text in the place of everything that is missing.
    pub(crate) fn filled(mut self, loaded: &Loaded, text: &str) -> Keys {
        for name in names(loaded) {
            self.0.entry(name).or_insert_with(|| text.to_owned());
        }
        self
    }
}
