//! One file per command, one function each. What they share: loading a stack file, opening its account ([`session`]), and
//! holding the lease while writing ([`run`]).

pub mod check;
pub mod ci;
pub mod laptop;

mod document;
pub(crate) mod exit;
pub(crate) mod format;
pub mod options;

#[cfg(feature = "aws")]
pub mod actions;
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

use crate::commands::exit::Exit;
use crate::commands::options::Global;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::load;

pub(crate) fn schema(printer: Printer) -> Exit {
    printer.data(document::pretty(&load::schema()));
    Exit::Done
}

/// Of what `plan --json` prints.
#[cfg(feature = "aws")]
pub(crate) fn schema_of_plans(printer: Printer) -> Exit {
    printer.data(document::pretty(&render::schema()));
    Exit::Done
}

/// The stack file for one environment, without a network.
pub(crate) fn load(file: &Path, global: &Global, printer: Printer) -> Result<Loaded, Exit> {
    load_text(file, &read(file, printer)?, global, printer)
}

/// Loads the stack for one environment from a text that was read from the file. What goes wrong is printed.
fn load_text(file: &Path, text: &str, global: &Global, printer: Printer) -> Result<Loaded, Exit> {
    let env = choose_env(file, text, global, printer)?;
    let loaded = load::load(text, &env).map_err(|problems| {
        printer.problems(&file.display().to_string(), &problems);
        Exit::Failed
    })?;
    match &global.region {
        Some(region) => allow_region(&loaded, region, printer).map(|()| loaded),
        None => Ok(loaded),
    }
}

/// A region that the file does not say, but the command line, a profile or what was kept.
pub(crate) fn allow_region(loaded: &Loaded, region: &str, printer: Printer) -> Result<(), Exit> {
    let Some((why, hint)) = loaded.against_region(region) else { return Ok(()) };
    printer.error(why);
    if let Some(hint) = hint {
        printer.hint(hint);
    }
    Err(Exit::Failed)
}

/// Asks, unless `--yes` has answered.
pub(crate) fn agree(global: &Global, question: &str, printer: Printer) -> Result<(), Exit> {
    if global.yes {
        return Ok(());
    }
    match printer.ask(question).as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        Some(_) => Err(Exit::Failed),
        None => {
            printer.error("there is no terminal to ask on");
            printer.hint("give --yes to go ahead without a question");
            Err(Exit::Usage)
        }
    }
}

/// Whole or not at all: what is half written misleads. A pipe or a device is written to, and not replaced by a file.
pub(crate) fn write_whole(path: &Path, text: &str, printer: Printer) -> Result<(), Exit> {
    let text = format!("{text}\n");
    let written = match std::fs::canonicalize(path) {
        Ok(real) if !real.is_file() => std::fs::write(real, text),
        // Through a link to where it leads.
        found => {
            let target = found.unwrap_or_else(|_| path.to_owned());
            let mut beside = target.clone().into_os_string();
            beside.push(".part");
            let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, target));
            written.inspect_err(|_| drop(std::fs::remove_file(&beside)))
        }
    };
    written.map_err(|error| {
        printer.error(format!("writing {}: {error}", path.display()));
        Exit::Failed
    })
}

pub(crate) fn read(file: &Path, printer: Printer) -> Result<String, Exit> {
    let failed = |what: String| {
        printer.error(what);
        Exit::Failed
    };
    let bytes = std::fs::read(file).map_err(|error| failed(format!("reading {}: {error}", file.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        failed(format!("{}:{line}:1: this is no text in UTF-8", file.display()))
    })
}

pub(crate) fn choose_env(file: &Path, text: &str, global: &Global, printer: Printer) -> Result<String, Exit> {
    let known = load::environments(text);
    match (&global.env, known.as_slice()) {
        (Some(env), known) if known.contains(env) => Ok(env.clone()),
        (Some(env), known) => {
            printer.error(format!("{} has no environment `{env}`", file.display()));
            printer.hint(format!("there are: {}", known.join(", ")));
            Err(Exit::Usage)
        }
        (None, [only]) => Ok(only.clone()),
        (None, several) => {
            printer.error(format!("{} has several environments", file.display()));
            printer.hint(format!("choose one: --env {}", several.join(" or --env ")));
            Err(Exit::Usage)
        }
    }
}
