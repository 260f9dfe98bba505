//! A function as a part: a process of this same program, which starts those of the function.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::config::Config;
use crate::engines::ports;
use crate::hex;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::probe::Probe;

/// The kind of a function's part, by which the dashboard knows that it can be asked for counts.
pub const KIND: &str = "function";

/// Writes the file that the part reads when it starts.
pub fn prepare(file: &Path, config: &Config) -> Result<()> {
    ports::write(file, &bytes(config)?)
}

/// The part that serves a function. `program` is one that gives its arguments to `hidden::run`. The caller adds the
/// environment of the function.
pub fn part(name: &str, program: &Path, file: &Path, port: u16, config: &Config) -> Result<Part> {
    Ok(Part {
        args: arguments("function", file, port)?,
        port: Some(port),
        ready: Probe::Http { port, path: "/healthz".into() },
        stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
        generation: generation(config)?,
        ..Part::new(name, KIND, program)
    })
}

/// The part that invokes a function once. It counts as ready when the function has succeeded, and is not started again
/// until something of it changes. If the function fails, the part has failed.
pub fn once(name: &str, program: &Path, file: &Path, port: u16, config: &Config) -> Result<Part> {
    Ok(Part {
        args: arguments("function-once", file, port)?,
        port: Some(port),
        ready: Probe::Done,
        // A process has some time to start, besides the time for the event.
        ready_within_ms: config.timeout_ms + 30_000,
        generation: generation(config)?,
        ..Part::new(name, "function, once", program)
    })
}

fn arguments(kind: &str, file: &Path, port: u16) -> Result<Vec<String>> {
    let file = file.to_str().context("a path that is not UTF-8")?;
    Ok(vec!["local".into(), kind.into(), file.into(), port.to_string()])
}

/// The version of the part's work. A new one restarts a part that an earlier program has started.
const FORM: &str = "1";

fn generation(config: &Config) -> Result<String> {
    let mut all = bytes(config)?;
    all.extend(FORM.bytes());
    Ok(hex(&Sha256::digest(all)[..12]))
}

fn bytes(config: &Config) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec_pretty(config)?;
    Config::parse(&bytes)?;
    Ok(bytes)
}
