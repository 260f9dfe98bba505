//! `provision check`: every mistake at once, without a network.

use std::path::Path;

use crate::cli::{Exit, Global};
use crate::commands::{allow_region, choose_env, read};
use crate::printer::Printer;
use crate::stack;

pub(crate) fn check(file: &Path, global: &Global, printer: Printer) -> Exit {
    let text = match read(file, printer) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let envs = match &global.env {
        Some(_) => match choose_env(file, &text, global, printer) {
            Ok(env) => vec![env],
            Err(exit) => return exit,
        },
        None => stack::environments(&text),
    };
    let problems = stack::problems(&text, &envs);
    if global.json {
        let list: Vec<_> = problems
            .iter()
            .map(|p| serde_json::json!({"line": p.at.line, "column": p.at.column, "problem": p.what, "hint": p.hint}))
            .collect();
        printer.data(serde_json::json!({"version": 1, "file": file, "environments": envs, "problems": list}));
    }
    if let Some(region) = &global.region {
        let loaded = envs.iter().filter_map(|env| stack::load(&text, env).ok());
        if loaded.map(|loaded| allow_region(&loaded, region, printer)).find(Result::is_err).is_some() {
            return Exit::Failed;
        }
    }
    if problems.is_empty() {
        printer.talk(format!("{}: no problems ({})", file.display(), envs.join(", ")));
        return Exit::Done;
    }
    printer.problems(&file.display().to_string(), &problems);
    Exit::Failed
}
