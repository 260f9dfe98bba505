//! The stacks of this machine, without a stack file. `provision status --local` lists them, and
//! `provision down --local` takes one of the list by its name.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::looked::found;
use super::words::{failed, mib};
use crate::commands::document;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::local::stacks::{self, Known};
use crate::printer::Printer;
use crate::sections::Loaded;

/// Lists all stacks, each with the file that it was started from.
pub(crate) fn list(global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let all = stacks::all().map_err(failed)?;
    if global.json {
        let all: Vec<_> = all.iter().map(value).collect();
        printer.document(&document::pretty(&json!({ "version": document::VERSION, "stacks": all })));
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        printer.data("no stack runs here, and no data of one is kept");
    }
    let width = all.iter().map(|known| known.name.len()).max().unwrap_or(0);
    for known in &all {
        let state = if known.is_running() { printer.green("running") } else { printer.yellow("stopped") };
        let what = match known.is_running() {
            true => format!("{} processes, {}", processes(known), mib(memory_kib(known))),
            false => "its data is kept".to_owned(),
        };
        printer.data(format!("{state}  {:width$}  {what:<24}  {}", known.name, file_of(known)));
    }
    if !all.is_empty() {
        printer.hint(
            "`provision down --local NAME` stops one, and --delete-data deletes its data, with or without its file",
        );
    }
    Ok(Exit::Done)
}

/// Finds the stack that `down` is for, with its state directory. The name of a stack that `status --local` lists needs
/// no file; then there is no `Loaded`.
pub(super) fn chosen(name: &Path, global: &Global) -> Result<(Option<Loaded>, PathBuf), Failure> {
    if name.exists() {
        return found(name, global).map(|(loaded, state)| (Some(loaded), state));
    }
    let known = stacks::called(name, global.env.as_deref()).map_err(failed)?;
    match known.as_slice() {
        [one] => Ok((None, one.state.clone())),
        [] => Err(Failure::of(format!("there is no file `{}`, and no stack of that name here", name.display()))
            .hint("`provision status --local` lists the stacks of this machine")),
        several => {
            let names: Vec<&str> = several.iter().map(|known| known.name.as_str()).collect();
            Err(Failure::usage(format!("`{}` may be any of {}", name.display(), names.join(", ")))
                .hint("give one of these names"))
        }
    }
}

fn value(known: &Known) -> serde_json::Value {
    let origin = known.origin.as_ref();
    json!({
        "name": known.name, "stack": origin.map(|it| &it.stack), "env": origin.map(|it| &it.env),
        "file": origin.map(|it| &it.file), "file_exists": origin.map(stacks::Origin::is_there),
        "running": known.is_running(), "processes": processes(known), "memory_kib": memory_kib(known),
        "state": known.state.display().to_string(),
    })
}

fn file_of(known: &Known) -> String {
    match &known.origin {
        Some(origin) if origin.is_there() => origin.file.clone(),
        Some(origin) => format!("{} (not there any more)", origin.file),
        None => "(an earlier version of this program started it, and did not note its file)".to_owned(),
    }
}

fn processes(known: &Known) -> usize {
    known.parts.iter().filter(|part| part.pid.is_some()).count()
}

fn memory_kib(known: &Known) -> u64 {
    known.parts.iter().filter_map(|part| part.memory_kib).sum()
}
