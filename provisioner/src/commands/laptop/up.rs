//! `provision up --local`: makes the stack run on this machine as its file says.

use std::path::Path;
use std::time::Instant;

use local::supervisor::protocol::Outcome;
use serde_json::{Value, json};

use super::doctor;
use super::looked::{Looked, found};
use super::probe::{self, Patience};
use super::strays::tell_strays;
use super::words::{failed, shell};
use crate::commands::failure::{Exit, Failure};
use crate::commands::format::{Format, write};
use crate::commands::guards::{agreed, refuse, same_stack, saved};
use crate::commands::options::{Global, UpOptions};
use crate::commands::{agree, document};
use crate::local::apply::apply;
use crate::local::kinds::REGISTRY;
use crate::local::{stacks as known, tools};
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;

pub(crate) fn up(file: &Path, global: &Global, options: &UpOptions, printer: Printer) -> Result<Exit, Failure> {
    if !options.adopt.is_empty() {
        return Err(Failure::usage(
            "--adopt has no meaning with --local: nobody else makes anything of this stack here",
        ));
    }
    let saved = options.plan.as_deref().map(|path| saved(path, REGISTRY)).transpose()?;
    let (loaded, state) = found(file, global)?;
    if options.install {
        doctor::complete(&loaded.stack, global, printer)?;
    }
    if !known::runs(&state) {
        tell_strays(file, &loaded, &state, printer);
    }
    let can_install = tools::of_stack(&loaded.stack).is_ok_and(|tools| !tools::installable(&tools).is_empty());
    let looked = Looked::at(loaded, state).map_err(|failure| match !options.install && can_install {
        true => failure.hint("`up --local --install` gets what is missing, after asking"),
        false => failure,
    })?;
    let Looked { loaded, state, scope, laptop, snapshot, .. } = &looked;
    let (plan, left_out) = match &saved {
        Some(saved) => {
            same_stack(saved, scope)?;
            agreed(saved, scope, &laptop.desired, snapshot)?
        }
        None => options.part.plan(scope, &laptop.desired, snapshot)?,
    };
    for note in &laptop.notes {
        printer.talk(printer.dim(format!("note: {note}")));
    }
    looked.show(file, &plan, left_out, |shown| shown.tell(printer));
    refuse(&plan, &options.delete_data, printer)?;
    options.part.allow(&plan)?;
    if !plan.is_empty() {
        agree(global, "Go ahead? [y/N]", printer)?;
    }
    let started = Instant::now();
    // The stack is noted first. Whatever becomes of this run, people can find out what it was.
    let tell = |event: &_| printer.talk(format!("  {event}"));
    let made = known::keep(state, file, loaded).and_then(|()| apply(state, loaded, (&plan, snapshot), tell));
    let (laptop, outcome) = made.map_err(|error| match known::runs(state) {
        true => failed(error)
            .hint("`provision status --local` shows what runs, `logs` what it says; the same `up` goes on from here"),
        false => failed(error),
    })?;
    let seconds = started.elapsed().as_secs_f64();
    for note in laptop.notes.iter().filter(|note| !looked.laptop.notes.contains(note)) {
        printer.talk(printer.dim(format!("note: {note}")));
    }
    for failure in &outcome.failed {
        printer.error(format!("{}: {}", failure.part, failure.cause()));
        failure.error.lines().skip(1).for_each(|line| printer.detail(line));
    }
    for skipped in &outcome.skipped {
        printer.talk(format!("{} was not started: it comes after {}", skipped.part, skipped.after));
    }
    let complete = outcome.failed.is_empty() && outcome.skipped.is_empty();
    let probe = || probe::all(loaded, state, laptop.probe.as_ref(), Patience::WithoutDelays, printer);
    let probed = complete.then(probe).flatten();
    if global.json {
        let complete_seconds = complete.then_some(seconds);
        printer.document(&document::pretty(&json!({
            "version": document::PLAN_VERSION, "stack": scope.stack, "env": scope.env,
            "serving_seconds": complete_seconds, "complete_seconds": complete_seconds,
            "outcomes": outcomes(&plan, &outcome), "outputs": laptop.outputs, "probe": probed,
        })));
    } else if complete {
        printer.talk(format!("{}: ready after {seconds:.1} s", printer.green("done")));
        write(&laptop.outputs, Format::Text, printer)?;
    }
    match complete && probed != Some(false) {
        true => Ok(Exit::Done),
        false => {
            match outcome.failed.first() {
                Some(failure) => printer.hint(format!(
                    "`provision logs --local {} {}` shows more of what it said; what runs goes on, and the same `up` goes on \
                     from here",
                    shell(&file.display().to_string()),
                    failure.part
                )),
                None => printer.hint("`provision logs --local` shows what the parts say"),
            }
            Ok(Exit::Failed)
        }
    }
}

/// What became of each step, in the form of a run on AWS.
fn outcomes(plan: &Plan, outcome: &Outcome) -> Vec<Value> {
    let told = |step: &Step| {
        let name = &step.address.name;
        let failed = outcome.failed.iter().find(|failure| failure.part == *name);
        let skipped = outcome.skipped.iter().find(|skipped| skipped.part == *name);
        let (result, error) = match (failed, skipped) {
            (Some(failure), _) => ("failed", Some(failure.cause().to_owned())),
            (None, Some(skipped)) => ("skipped", Some(format!("after {}", skipped.after))),
            (None, None) => (ended(&step.action), None),
        };
        let mut value = json!({ "kind": step.address.kind, "name": name, "result": result });
        if let Some(error) = error {
            value["error"] = error.into();
        }
        value
    };
    plan.steps.iter().map(told).collect()
}

pub(super) fn ended(action: &Action) -> &'static str {
    match action {
        Action::Keep | Action::Retain | Action::Refuse => "unchanged",
        Action::Create { .. } => "created",
        Action::Update { .. } | Action::Replace { .. } => "updated",
        Action::Delete => "deleted",
    }
}
