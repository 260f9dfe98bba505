//! The HTTP API as a process of this same program.

use std::path::Path;

use anyhow::{Context, Result};

use super::config::{Api, Config};
use crate::engines::ports;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::probe::Probe;

/// Writes the configuration to where an API that runs already reads it from, so a change needs no restart.
pub fn prepare(file: &Path, config: &Config) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(config)?;
    Api::parse(&bytes)?;
    ports::write(file, &bytes)
}

/// The version of the configuration file's form. A new one restarts an API that reads the old form.
const FORM: &str = "1";

/// The part that runs the API. `program` is one that gives its arguments to `hidden::run`.
pub fn part(name: &str, program: &Path, file: &Path, port: u16) -> Result<Part> {
    let file = file.to_str().context("a path that is not UTF-8")?;
    Ok(Part {
        args: vec!["local".into(), "http-api".into(), file.into(), port.to_string()],
        port: Some(port),
        ready: Probe::Tcp { port },
        stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
        generation: FORM.to_owned(),
        ..Part::new(name, "HTTP API", program)
    })
}
