//! One file per command, one function each. What they share: loading a stack file, opening its account ([`session`]), and
//! holding the lease while writing ([`run`]).
//!
//! A command returns its exit code, or a [`failure::Failure`], which `cli` prints. `Ok(Exit::Failed)` is for a command whose
//! report says what failed.

pub mod check;
pub mod ci;
pub mod laptop;

mod document;
pub(crate) mod failure;
pub(crate) mod format;
pub mod options;

#[cfg(feature = "aws")]
pub mod actions;
#[cfg(feature = "aws")]
mod boundary;
#[cfg(feature = "aws")]
pub mod doctor;
#[cfg(feature = "aws")]
pub mod down;
#[cfg(feature = "aws")]
mod explain;
#[cfg(feature = "aws")]
pub mod export;
#[cfg(feature = "aws")]
pub mod graph;
#[cfg(feature = "aws")]
pub mod health;
#[cfg(feature = "aws")]
pub mod logs;
#[cfg(feature = "aws")]
pub mod outputs;
#[cfg(feature = "aws")]
mod part;
#[cfg(feature = "aws")]
pub mod plan;
#[cfg(feature = "aws")]
pub mod policy;
#[cfg(feature = "aws")]
pub mod probe;
#[cfg(feature = "aws")]
pub mod redrive;
#[cfg(feature = "aws")]
mod render;
#[cfg(feature = "aws")]
mod run;
#[cfg(feature = "aws")]
mod session;
#[cfg(feature = "aws")]
pub mod status;
#[cfg(feature = "aws")]
pub mod up;

use std::path::Path;

#[cfg(feature = "aws")]
pub(crate) use session::{
    Session, connect, login_hint, no_region, open, open_and_build, open_without_runtime, take, time_scale,
};

use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::load;

pub(crate) fn schema(printer: Printer) -> Exit {
    printer.data(document::pretty(&load::schema()));
    Exit::Done
}

/// Prints the JSON Schema of the document that `plan --json` prints.
#[cfg(feature = "aws")]
pub(crate) fn schema_of_plans(printer: Printer) -> Exit {
    printer.data(document::pretty(&render::schema()));
    Exit::Done
}

/// Loads the stack file for one environment, without a network.
pub(crate) fn load(file: &Path, global: &Global) -> Result<Loaded, Failure> {
    load_text(file, &read(file)?, global)
}

/// Loads the stack for one environment from a text that was read from the file.
fn load_text(file: &Path, text: &str, global: &Global) -> Result<Loaded, Failure> {
    let env = choose_env(file, text, global)?;
    let loaded = load::load(text, &env);
    let loaded = loaded.map_err(|problems| Failure::problems(file.display().to_string(), problems))?;
    if let Some(region) = &global.region {
        allow_region(&loaded, region)?;
    }
    Ok(loaded)
}

/// Refuses a region that the stack file may not be used in. The command line, a profile or a kept snapshot named it.
pub(crate) fn allow_region(loaded: &Loaded, region: &str) -> Result<(), Failure> {
    match loaded.against_region(region) {
        None => Ok(()),
        Some(refused) => Err(Failure::errors(vec![refused])),
    }
}

/// Goes on if the user agrees. `--yes` agrees without a question.
pub(crate) fn agree(global: &Global, question: &str, printer: Printer) -> Result<(), Failure> {
    match answer(global, question, printer) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::declined()),
        None => Err(Failure::usage("there is no terminal to ask on").hint(GIVE_YES)),
    }
}

/// The hint for a question that nobody has answered.
const GIVE_YES: &str = "give --yes to go ahead without a question";

/// Whether the user says yes, or `None` if there is no terminal to ask on. `--yes` answers without a question.
fn answer(global: &Global, question: &str, printer: Printer) -> Option<bool> {
    if global.yes {
        return Some(true);
    }
    let answer = printer.ask(question)?;
    Some(matches!(answer.as_str(), "y" | "Y" | "yes"))
}

/// Writes a file whole or not at all, because half a file misleads. A pipe or a device is written to, and not replaced
/// by a file.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let text = format!("{text}\n");
    let written = match std::fs::canonicalize(path) {
        Ok(real) if !real.is_file() => std::fs::write(real, text),
        // A file is replaced at the place that a link leads to.
        found => {
            let target = found.unwrap_or_else(|_| path.to_owned());
            let mut beside = target.clone().into_os_string();
            beside.push(".part");
            let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, target));
            written.inspect_err(|_| drop(std::fs::remove_file(&beside)))
        }
    };
    written.map_err(|error| Failure::of(format!("writing {}: {error}", path.display())))
}

pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::of(format!("reading {}: {error}", file.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Failure::of(format!("{}:{line}:1: this is not a text in UTF-8", file.display()))
    })
}

pub(crate) fn choose_env(file: &Path, text: &str, global: &Global) -> Result<String, Failure> {
    let known = load::environments(text);
    match (&global.env, known.as_slice()) {
        (Some(env), known) if known.contains(env) => Ok(env.clone()),
        (Some(env), known) => Err(Failure::usage(format!("{} has no environment `{env}`", file.display()))
            .hint(format!("there are: {}", known.join(", ")))),
        (None, [only]) => Ok(only.clone()),
        (None, several) => Err(Failure::usage(format!("{} has several environments", file.display()))
            .hint(format!("choose one: --env {}", several.join(" or --env ")))),
    }
}
