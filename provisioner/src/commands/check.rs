//! `provision check`: every mistake at once, without a network.

use std::collections::BTreeMap;
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
    let loaded = stack::load_all(&text, &envs);
    let problems = loaded.as_ref().err().map(Vec::as_slice).unwrap_or_default();
    if global.json {
        let list: Vec<_> = problems
            .iter()
            .map(|p| serde_json::json!({"line": p.at.line, "column": p.at.column, "problem": p.what, "hint": p.hint}))
            .collect();
        printer.data(serde_json::json!({"version": 1, "file": file, "environments": envs, "problems": list}));
    }
    let loaded = match &loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            printer.problems(&file.display().to_string(), problems);
            return Exit::Failed;
        }
    };
    if let Some(region) = &global.region
        && loaded.iter().any(|loaded| allow_region(loaded, region, printer).is_err())
    {
        return Exit::Failed;
    }
    if global.local {
        let notes: BTreeMap<_, _> = loaded.iter().flat_map(|loaded| stack::only_on_aws(&loaded.stack)).collect();
        notes.values().for_each(|why| printer.talk(format!("note: {why}")));
    }
    printer.talk(format!("{}: no problems ({})", file.display(), envs.join(", ")));
    Exit::Done
}
