//! `provision check`: every mistake at once, without a network.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Exit, Global};
use crate::commands::{allow_region, choose_env, read};
use crate::printer::Printer;
use crate::stack::{self, Said};
use crate::yaml::Problem;

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
    let Said { problems, notes } = stack::look(&text, &envs);
    if global.json {
        let list = |problems: &[Problem]| -> Vec<Value> { problems.iter().map(document).collect() };
        let (problems, notes) = (list(&problems), list(&notes));
        printer.data(json!({"version": 1, "file": file, "environments": envs, "problems": problems, "notes": notes}));
    }
    let name = file.display().to_string();
    printer.problems(&name, &problems);
    let elsewhere = global.region.as_ref().map_or(Ok(()), |region| {
        let mut loaded = envs.iter().filter_map(|env| stack::load(&text, env).ok());
        loaded.try_for_each(|loaded| allow_region(&loaded, region, printer))
    });
    if !problems.is_empty() || elsewhere.is_err() {
        return Exit::Failed;
    }
    let noted = notes.into_iter().map(|note| Problem { what: format!("note: {}", note.what), ..note });
    printer.problems(&name, &noted.collect::<Vec<_>>());
    printer.talk(format!("{name}: no problems ({})", envs.join(", ")));
    Exit::Done
}

fn document(problem: &Problem) -> Value {
    let Problem { at, what, hint } = problem;
    json!({"line": at.line, "column": at.column, "problem": what, "hint": hint})
}
