//! `provision check`: finds every mistake at once, without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::commands::failure::{Exit, Failure};
use crate::commands::files::read_stack;
use crate::commands::options::Global;
use crate::commands::{allow_region, choose_env};
use crate::printer::Printer;
use crate::sections::functions::notes as functions;
use crate::sections::load;
use crate::sections::logs::patterns::only_on_aws;
use crate::sections::services::notes::notes;
use crate::sections::whereabouts;
use crate::yaml::{MOST_PROBLEMS, Problem};

pub(crate) fn check(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let text = read_stack(file)?;
    let envs = match &global.env {
        Some(_) => vec![choose_env(file, &text, global)?],
        None => load::environments(&text),
    };
    let (stacks, problems) = match load::load_all(&text, &envs) {
        Ok(stacks) => (stacks, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let notes: BTreeSet<Problem> = stacks
        .iter()
        .flat_map(|loaded| [notes(loaded), functions::notes(loaded), whereabouts::notes(loaded)].concat())
        .collect();
    if global.json {
        let more = [("more_problems", problems.len()), ("more_notes", notes.len())];
        let problems: Vec<Value> = problems.iter().take(MOST_PROBLEMS).map(document).collect();
        let notes: Vec<Value> = notes.iter().take(MOST_PROBLEMS).map(document).collect();
        let mut told = json!({"version": 1, "file": file, "environments": envs, "problems": problems, "notes": notes});
        for (name, count) in more.into_iter().filter(|(_, count)| *count > MOST_PROBLEMS) {
            told[name] = json!(count - MOST_PROBLEMS);
        }
        printer.data(told);
    }
    let name = file.display().to_string();
    if !problems.is_empty() {
        return Err(Failure::problems(name, problems));
    }
    if let Some(region) = &global.region {
        stacks.iter().try_for_each(|loaded| allow_region(loaded, region))?;
    }
    let noted = notes.into_iter().map(|note| Problem { what: format!("note: {}", note.what), ..note });
    printer.problems(&name, &noted.collect::<Vec<_>>());
    if global.local {
        let only: BTreeMap<_, _> = stacks.iter().flat_map(|loaded| only_on_aws(&loaded.stack)).collect();
        only.values().for_each(|why| printer.talk(format!("note: {why}")));
    }
    printer.talk(format!("{name}: no problems ({})", envs.join(", ")));
    Ok(Exit::Done)
}

fn document(problem: &Problem) -> Value {
    let Problem { at, what, hint } = problem;
    json!({"line": at.line, "column": at.column, "problem": what, "hint": hint})
}
