//! Secrets on this machine. They become no process: whoever uses a secret gets its value from `keys.json`.

use crate::sections::Loaded;
use crate::sections::machine::{Local, Making};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(_: &Loaded) -> Vec<String> {
    Vec::new()
}

/// Notes which values are made up. On AWS they are those of somebody else.
fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    for (name, from) in making.loaded.stack.existing_secrets() {
        let note = format!("the secret `{name}` has a value that was made up here, and not that of `{from}` on AWS");
        making.laptop.notes.push(note);
    }
    Ok(())
}
