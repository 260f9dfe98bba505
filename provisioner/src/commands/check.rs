//! `provision check`: every mistake at once, without a network.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::{Exit, Global};
use crate::commands::{choose_env, read};
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
    let (mut problems, mut only_on_aws) = (Vec::new(), BTreeMap::new());
    for env in &envs {
        match stack::load(&text, env) {
            Ok(loaded) => only_on_aws.extend(stack::only_on_aws(&loaded.stack)),
            Err(found) => problems.extend(found),
        }
    }
    problems.sort();
    problems.dedup();
    if global.json {
        let list: Vec<_> = problems
            .iter()
            .map(|p| serde_json::json!({"line": p.at.line, "column": p.at.column, "problem": p.what, "hint": p.hint}))
            .collect();
        printer.data(serde_json::json!({"version": 1, "file": file, "environments": envs, "problems": list}));
    }
    if problems.is_empty() {
        if global.local {
            only_on_aws.values().for_each(|why| printer.talk(format!("note: {why}")));
        }
        printer.talk(format!("{}: no problems ({})", file.display(), envs.join(", ")));
        return Exit::Done;
    }
    printer.problems(&file.display().to_string(), &problems);
    Exit::Failed
}
