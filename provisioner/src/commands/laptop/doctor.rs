//! `provision doctor --local`: what this machine needs to run stacks, and getting it.

use serde_json::json;

use super::failed;
use crate::commands::exit::Exit;
use crate::commands::options::Global;
use crate::commands::{agree, document};
use crate::local::tools::{self, Tool};
use crate::printer::Printer;
use crate::sections::Stack;

pub(crate) fn doctor(global: &Global, install: bool, printer: Printer) -> Exit {
    let mut found = match tools::tools() {
        Ok(tools) => tools,
        Err(error) => return failed(&error, printer),
    };
    if install && !tools::installable(&found).is_empty() {
        if let Err(exit) = get(&found, global, printer) {
            return exit;
        }
        found = match tools::tools() {
            Ok(tools) => tools,
            Err(error) => return failed(&error, printer),
        };
    }
    let is_well = found.iter().all(|tool| tool.found.is_some() || tool.optional);
    match global.json {
        true => printer.data(document::pretty(&json!({ "version": document::VERSION, "ok": is_well, "tools": found }))),
        false => text(&found, install, printer),
    }
    if is_well { Exit::Done } else { Exit::Failed }
}

/// For `up --install`: what is missing of what this stack needs, after a question.
pub(super) fn complete(stack: &Stack, global: &Global, printer: Printer) -> Result<(), Exit> {
    let found = tools::of_stack(stack).map_err(|error| failed(&error, printer))?;
    if tools::installable(&found).is_empty() {
        return Ok(());
    }
    get(&found, global, printer)
}

fn get(tools: &[Tool], global: &Global, printer: Printer) -> Result<(), Exit> {
    for tool in tools::installable(tools) {
        printer.talk(format!("{} is missing:", tool.lacks.as_deref().unwrap_or(tool.what)));
        tool.commands.iter().for_each(|command| printer.talk(format!("  {command}")));
    }
    agree(global, "Get it? [y/N]", printer)?;
    tools::install(tools).map_err(|error| failed(&error, printer))
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
