//! `provision doctor --local`: shows what this machine needs to run stacks, and installs it on request.

use serde_json::json;

use super::words::failed;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::commands::{agree, document};
use crate::local::tools::{self, Tool};
use crate::printer::Printer;
use crate::sections::Stack;

pub(crate) fn doctor(global: &Global, install: bool, printer: Printer) -> Result<Exit, Failure> {
    let mut found = tools::tools().map_err(failed)?;
    if install && !tools::installable(&found).is_empty() {
        get(&found, global, printer)?;
        found = tools::tools().map_err(failed)?;
    }
    let is_well = found.iter().all(|tool| tool.found.is_some() || tool.optional);
    match global.json {
        true => {
            printer.document(&document::pretty(&json!({ "version": document::VERSION, "ok": is_well, "tools": found })))
        }
        false => text(&found, install, printer),
    }
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// For `up --install`: installs the programs that this stack needs and that are missing, after a question.
pub(super) fn complete(stack: &Stack, global: &Global, printer: Printer) -> Result<(), Failure> {
    let found = tools::of_stack(stack).map_err(failed)?;
    if tools::installable(&found).is_empty() {
        return Ok(());
    }
    get(&found, global, printer)
}

fn get(tools: &[Tool], global: &Global, printer: Printer) -> Result<(), Failure> {
    for tool in tools::installable(tools) {
        printer.talk(format!("{} is missing:", tool.lacks.as_deref().unwrap_or(tool.what)));
        tool.commands.iter().for_each(|command| printer.talk(format!("  {command}")));
    }
    agree(global, "Get it? [y/N]", printer)?;
    tools::install(tools).map_err(failed)
}

fn text(tools: &[Tool], installed: bool, printer: Printer) {
    for tool in tools {
        let state = match (&tool.found, tool.optional) {
            (Some(_), _) => printer.green("ok      "),
            (None, true) => printer.yellow("missing "),
            (None, false) => printer.red("missing "),
        };
        let found = tool.found.as_deref().or(tool.lacks.as_deref()).unwrap_or_default();
        printer.data(format!("{state} {:<16} {:<14} {found}", tool.what, tool.needed_for).trim_end());
        for command in &tool.commands {
            printer.data(format!("         {command}"));
        }
    }
    if !installed && !tools::installable(tools).is_empty() {
        printer.hint("--install does that, after asking");
    }
}
