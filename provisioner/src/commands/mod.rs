//! The commands: [`aws`] has those for a stack on AWS, and [`laptop`] those for a stack on this machine, one file each. The
//! files beside the two folders are what both share: loading a stack file, showing a plan ([`show`], [`render`]), and the
//! guards of the command line ([`guards`]).
//!
//! A command returns its exit code, or a [`failure::Failure`], which `cli` prints. `Ok(Exit::Failed)` is for a command whose
//! report says what failed.

#[cfg_attr(not(feature = "aws"), path = "without_aws.rs")]
pub mod aws;
pub mod check;
pub mod ci;
pub(crate) mod command;
mod document;
pub(crate) mod failed_events;
pub(crate) mod failure;
pub(crate) mod fault;
pub(crate) mod files;
pub(crate) mod format;
mod guards;
pub mod laptop;
pub mod options;
mod render;
mod show;

use std::path::Path;

use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::load;

pub(crate) fn schema(printer: Printer) -> Exit {
    printer.document(&document::pretty(&load::schema()));
    Exit::Done
}

/// Prints the JSON Schema of the document that `plan --json` prints.
pub(crate) fn schema_of_plans(printer: Printer) -> Exit {
    printer.document(&document::pretty(&render::schema()));
    Exit::Done
}

/// Loads the stack file for one environment of AWS, without a network.
pub(crate) fn load(file: &Path, global: &Global) -> Result<Loaded, Failure> {
    load_text(file, &files::read_stack(file)?, global)
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
