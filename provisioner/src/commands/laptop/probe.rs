//! `provision probe --local`: one reservation on its whole way, each hop with its time.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use super::looked::look_running;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::printer::Printer;
use crate::sections::machine::Probe;

/// Runs the probe, which is also the last step of `up`.
pub(crate) fn probe(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let Some(probe) = look_running(file, global, printer)?.laptop.probe else {
        let what = "no service of this stack has the role `reservation`, which a probe begins with";
        return Err(Failure::usage(what));
    };
    match walk(&probe, printer)? {
        true => Ok(Exit::Done),
        false => Ok(Exit::Failed),
    }
}

/// Runs one reservation on its whole way, and prints each hop as it is done.
pub(super) fn walk(probe: &Probe, printer: Printer) -> anyhow::Result<bool> {
    let child = Command::new(&probe.program)
        .arg("probe")
        .env_clear()
        .envs(&probe.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| format!("starting {}", probe.program.display()))?;
    printer.talk("probe: one reservation on its whole way");
    let lines = child.stdout.take().map(BufReader::new);
    for line in lines.into_iter().flat_map(|lines| lines.lines().map_while(Result::ok)) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if line["event"] != "probe.hop" {
            continue;
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let milliseconds = line["milliseconds"].as_f64().map_or_else(String::new, |ms| format!("{ms:.1} ms"));
        printer.talk(
            format!("  {:<14} {:<8} {milliseconds:>10}  {}", text("hop"), text("status"), text("message")).trim_end(),
        );
    }
    Ok(child.wait().is_ok_and(|status| status.success()))
}
