//! Guards of the command line: which part of a stack is changed, how much of it may be deleted, which data may be lost,
//! and whether a saved plan still holds.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::read_document;
use super::options::Part;
use crate::commands::failure::Failure;
use crate::kind::any::Registry;
use crate::kind::facts::Address;
use crate::plan::desired::Desired;
use crate::plan::saved::Saved;
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Lack, Plan};
use crate::printer::Printer;
use crate::scope::Scope;
use crate::sections::similar::similar;

impl Part {
    /// The plan for the chosen part, and the resources outside of it that would change too.
    pub(super) fn plan(
        &self,
        scope: &Scope,
        desired: &Desired,
        snapshot: &Snapshot,
    ) -> Result<(Plan, Vec<Address>), Failure> {
        let whole = Plan::new(scope, desired, snapshot);
        if self.only.is_empty() && self.except.is_empty() {
            return Ok((whole, Vec::new()));
        }
        self.known(&whole)?;
        let inside = |section: &str, names: &[String]| names.iter().any(|name| is_in(section, name));
        let chosen = |section: &str, _: &Address| match self.only.is_empty() {
            true => !inside(section, &self.except),
            false => inside(section, &self.only),
        };
        let (plan, lacks) = Plan::part(scope, desired, snapshot, &chosen);
        complete(&lacks, desired)?;
        let left_out = whole.changes().filter(|step| !chosen(&step.section, &step.address));
        let left_out = left_out.map(|step| step.address.clone()).collect();
        Ok((plan, left_out))
    }

    /// Refuses a plan that deletes or replaces more resources than `--max-deletes` allows.
    pub(super) fn allow(&self, plan: &Plan) -> Result<(), Failure> {
        let goes = |action: &Action| matches!(action, Action::Delete | Action::Replace { .. });
        let going: Vec<String> =
            plan.steps.iter().filter(|step| goes(&step.action)).map(|step| step.address.to_string()).collect();
        match self.max_deletes {
            Some(most) if going.len() > most => Err(Failure::of(format!(
                "{} would be deleted or replaced, and --max-deletes allows {most}: {}",
                going.len(),
                going.join(", ")
            ))
            .hint("look whether the stack file says what you mean, or allow more")),
            _ => Ok(()),
        }
    }

    fn known(&self, plan: &Plan) -> Result<(), Failure> {
        let mut known: BTreeSet<&str> = plan.steps.iter().map(|step| step.section.as_str()).collect();
        known.extend(plan.steps.iter().filter_map(|step| step.section.split('.').next()));
        match self.only.iter().chain(&self.except).find(|name| !known.contains(name.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                let hint = match similar(unknown, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
                };
                Err(Failure::usage(format!("`{unknown}` is not a section of this stack")).hint(hint))
            }
        }
    }
}

/// Reads the plan in a file. `registry` has to know its kinds, because a plan is made for one place: AWS or this machine.
pub(super) fn saved(path: &Path, registry: Registry) -> Result<Saved, Failure> {
    let refuse = |why: String| Failure::of(format!("{} cannot be carried out: {why}", path.display()));
    let saved = Saved::read(&read_document(path)?)
        .map_err(|why| refuse(why).hint("make the plan again with this program: `provision plan --out`"))?;
    match saved.stranger(registry) {
        None => Ok(saved),
        Some(stranger) => Err(refuse(format!("it has {stranger}, which is not made in this place"))
            .hint("a plan that was made with --local is brought up with --local, and only such a plan")),
    }
}

pub(super) fn same_stack(saved: &Saved, scope: &Scope) -> Result<(), Failure> {
    let now = [&scope.stack, &scope.env, &scope.account, &scope.region];
    let then = [&saved.stack, &saved.env, &saved.account, &saved.region];
    let words = ["stack", "environment", "account", "region"];
    match (0..4).find(|place| now[*place] != then[*place]) {
        None => Ok(()),
        Some(place) => {
            let (word, then, now) = (words[place], then[place], now[place]);
            Err(Failure::of(format!("the plan is for {word} {then}, and this is {now}")))
        }
    }
}

/// Plans the resources that a saved plan touches again. The new plan has to be what was shown. All other resources stay
/// as they are.
pub(super) fn agreed(
    saved: &Saved,
    scope: &Scope,
    desired: &Desired,
    snapshot: &Snapshot,
) -> Result<(Plan, Vec<Address>), Failure> {
    let touched = |_: &str, address: &Address| saved.touches(address);
    let (plan, lacks) = Plan::part(scope, desired, snapshot, &touched);
    let moved = saved.compare(&plan, snapshot, desired.registry);
    if !moved.is_empty() {
        let told = moved.iter().map(|one| (format!("{}: {}", one.address, one.how), None));
        return Err(Failure::errors(told.collect())
            .hint("nothing was done. Make the plan again, look at it, and bring that one up"));
    }
    complete(&lacks, desired)?;
    let whole = Plan::new(scope, desired, snapshot);
    let beside = whole.changes().filter(|step| !saved.touches(&step.address));
    Ok((plan, beside.map(|step| step.address.clone()).collect()))
}

/// Refuses a plan with a step that cannot be done, or that loses data which nobody named.
pub(super) fn refuse(plan: &Plan, delete_data: &[String], printer: Printer) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for step in &plan.steps {
        if step.action == Action::Refuse {
            let (address, id) = (&step.address, step.id.as_deref().unwrap_or_default());
            let what = format!("{address}: `{id}` exists, but this stack did not make it");
            let hint = format!(
                "rename the resource in the stack file, delete the other one, or take it over: --adopt '{address}'"
            );
            refused.push((what, Some(hint)));
        }
        if step.loses_data && !is_named(&step.address, delete_data) {
            let verb = if matches!(step.action, Action::Delete) { "deleting" } else { "replacing" };
            let loss = step.loss.as_deref().unwrap_or("its data");
            let hint = format!("change the stack file back, or name it: --delete-data={}", step.address.name);
            refused.push((format!("{verb} {} loses {loss}", step.address), Some(hint)));
        }
    }
    let unknown = |name: &&String| !plan.steps.iter().any(|step| step.loses_data && is_called(&step.address, name));
    if let Some(name) = delete_data.iter().find(unknown) {
        printer.talk(format!("--delete-data={name}: this plan loses no data of that name"));
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::errors(refused)) }
}

pub(super) fn is_named(address: &Address, names: &[String]) -> bool {
    names.iter().any(|name| is_called(address, name))
}

/// Refuses a choice that lacks resources which it needs.
fn complete(lacks: &[Lack], desired: &Desired) -> Result<(), Failure> {
    let told = |Lack { user, needs }: &Lack| {
        let section = desired.get(needs).map_or("", |wanted| wanted.section.as_str());
        let what = format!("{user} needs {needs}, which is not there yet and not in this plan");
        (what, Some(format!("take the section `{section}` too")))
    };
    match lacks.is_empty() {
        true => Ok(()),
        false => Err(Failure::errors(lacks.iter().map(told).collect())),
    }
}

/// Whether a name of the command line means this resource. The name of a database means its primary and its replica.
pub(super) fn is_called(address: &Address, name: &str) -> bool {
    address.name == name || address.name.strip_suffix("-replica") == Some(name)
}

fn is_in(section: &str, name: &str) -> bool {
    section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
