//! Guards of the command line: which part of a stack is changed, and how much of it may be deleted.

use std::collections::BTreeSet;

use super::options::Part;
use crate::commands::failure::Failure;
use crate::kinds::facts::Address;
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Lack, Plan};
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

/// Refuses a choice that lacks resources which it needs.
pub(super) fn complete(lacks: &[Lack], desired: &Desired) -> Result<(), Failure> {
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
