//! The tables as a part: a process of this same program.

use std::path::Path;

use anyhow::{Context, Result};

use super::config::Config;
use crate::engines::ports;
use crate::supervisor::part::Part;
use crate::supervisor::probe::Probe;

/// The kind of the part.
pub const KIND: &str = "tables";

/// Writes the file that the part reads when it starts. A part that runs is given a declaration by `declare`.
pub fn prepare(file: &Path, config: &Config) -> Result<()> {
    ports::write(file, &serde_json::to_vec_pretty(config)?)
}

/// The part that serves the tables in a directory. `program` is one that gives its arguments to `hidden::run`.
pub fn part(name: &str, program: &Path, file: &Path, directory: &Path, port: u16) -> Result<Part> {
    let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    Ok(Part {
        args: vec!["local".into(), "tables".into(), words(file)?, words(directory)?, port.to_string()],
        port: Some(port),
        ready: Probe::Http { port, path: "/healthz".into() },
        // A server that was made for another form of the file could not take another declaration.
        generation: FORM.to_owned(),
        ..Part::new(name, KIND, program)
    })
}

/// The form of the file.
const FORM: &str = "1";
