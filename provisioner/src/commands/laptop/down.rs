//! `provision down --local`: stops the stack on this machine. Its data is kept, unless somebody says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use local::supervisor::client;
use local::supervisor::place::Place;
use serde_json::{Value, json};

use super::stacks;
use super::strays::tell_strays;
use super::up::ended;
use super::words::{NOTHING_RUNS, failed};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::{DataFlags, Global};
use crate::commands::{GIVE_YES, answer, document, render};
use crate::kind::Kind;
use crate::local::home::status as live;
use crate::local::kinds::{Process, REGISTRY};
use crate::local::{snapshot, stacks as known};
use crate::plan::desired::Desired;
use crate::plan::{Action, Plan};
use crate::printer::Printer;
use crate::review::sources::Sources;
use crate::review::{Against, Review};
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::machine::scope;

pub(crate) fn down(file: &Path, global: &Global, data: &DataFlags, printer: Printer) -> Result<Exit, Failure> {
    let (loaded, state) = stacks::chosen(file, global)?;
    if data.snapshot_data || data.delete_data.as_ref().is_some_and(|names| names.iter().any(|name| name != "*")) {
        let what = "on this machine data is kept (the default), or deleted with the whole stack: --delete-data";
        return Err(Failure::usage(what));
    }
    let (runs, delete) = (known::runs(&state), data.delete_data.is_some());
    if !runs {
        printer.talk(NOTHING_RUNS);
        if let Some(loaded) = &loaded {
            tell_strays(file, loaded, &state, printer);
        }
        if !delete || !known::has_data(&state) {
            if known::has_data(&state) {
                printer.talk("its data is kept: --delete-data deletes it");
            }
            return Ok(Exit::Done);
        }
    }
    let (scope, plan) = removal(loaded.as_ref(), &state, delete).map_err(failed)?;
    if runs {
        let desired = Desired::new(REGISTRY);
        let sources = Sources::default();
        let review = Review::new(&scope, &plan, &desired, &sources, Against::ThisMachine);
        render::text(&review, "", printer).iter().for_each(|line| printer.talk(line));
    }
    if delete && answer(global, "Delete all data of this stack? [y/N]", printer) != Some(true) {
        return Err(Failure::usage("nothing was deleted").hint(GIVE_YES));
    }
    let started = Instant::now();
    client::stop_all(&state, Duration::from_secs(90), |event| printer.detail(event)).map_err(failed)?;
    if delete && state.exists() {
        delete_all(&state).map_err(failed)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    if global.json {
        let of = |retained: bool| plan.steps.iter().filter(move |step| (step.action == Action::Retain) == retained);
        let outcomes: Vec<Value> = of(false)
            .map(|step| json!({ "kind": step.address.kind, "name": step.address.name, "result": ended(&step.action) }))
            .collect();
        let kept: Vec<String> = of(true).map(|step| step.address.to_string()).collect();
        printer.document(&document::pretty(&json!({
            "version": document::PLAN_VERSION, "stack": scope.stack, "env": scope.env,
            "outcomes": outcomes, "kept": kept, "left": [], "seconds": seconds,
        })));
    }
    let what = match (runs, delete) {
        (true, true) => "stopped, and its data deleted",
        (true, false) => "stopped; its data is kept",
        (false, _) => "its data is deleted",
    };
    printer.talk(format!("{}: {what}, after {seconds:.1} s", printer.green("done")));
    Ok(Exit::Done)
}

/// The plan from what runs to nothing. Topics, queues and routes are kept with the data. If the data goes, the plan says
/// which parts lose some.
fn removal(loaded: Option<&Loaded>, state: &Path, delete: bool) -> anyhow::Result<(Scope, Plan)> {
    let scope = loaded.map_or_else(|| known::scope_of(state), scope);
    // Each part tells its section, so a stack can be stopped whose file or programs are gone.
    let desired = Desired::new(REGISTRY);
    let snapshot = snapshot::take(state, &scope, &desired, (&live(state)?, &BTreeMap::new()))?;
    let is_process = |kind: &str| kind == Process::FACTS.name;
    let keep: BTreeSet<_> =
        snapshot.live.keys().filter(|address| !delete && !is_process(address.kind)).cloned().collect();
    let mut plan = Plan::removal(&desired, &snapshot, &keep);
    for step in plan.steps.iter_mut().filter(|step| delete && is_process(step.address.kind)) {
        if state.join("data").join(&step.address.name).exists() {
            step.loses_data = true;
            step.loss = Some("all its data".to_owned());
        }
    }
    Ok((scope, plan))
}

fn delete_all(state: &Path) -> anyhow::Result<()> {
    let delete = || {
        let sockets = Place::find(state)?.sockets().to_owned();
        if sockets.exists() {
            std::fs::remove_dir_all(sockets)?;
        }
        anyhow::Ok(std::fs::remove_dir_all(state)?)
    };
    delete().with_context(|| format!("deleting {}", state.display()))
}
