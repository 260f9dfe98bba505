//! The balancer as a process of this same program.

use std::path::Path;

use anyhow::{Context, Result};

use super::config::Config;
use crate::engines::ports;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::probe::Probe;

/// Writes the configuration to where a balancer that runs already reads it from, so a change needs no restart.
pub fn prepare(file: &Path, config: &Config) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(config)?;
    Config::parse(&bytes)?;
    ports::write(file, &bytes)
}

/// The version of the configuration file's form. A new one restarts a balancer that reads the old form.
const FORM: &str = "2";

/// The part that runs the balancer. `program` is one that gives its arguments to `hidden::run`.
pub fn part(name: &str, program: &Path, file: &Path, port: u16) -> Result<Part> {
    let file = file.to_str().context("a path that is not UTF-8")?;
    Ok(Part {
        args: vec!["local".into(), "balance".into(), file.into(), port.to_string()],
        port: Some(port),
        ready: Probe::Tcp { port },
        stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
        // A running balancer that was made for another form of the file could not read it.
        generation: FORM.to_owned(),
        ..Part::new(name, "load balancer", program)
    })
}
