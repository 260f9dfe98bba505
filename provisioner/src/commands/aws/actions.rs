//! The IAM actions of the commands and of `doctor`. A policy has them beside the actions of the kinds.

use super::{health, logs, probe, redrive};
use crate::doctor;
use crate::kind::Kind;
use crate::kinds::{ecs, lambda, sqs};
use crate::plan::desired::Desired;

/// The actions for this stack.
pub fn beside_kinds(desired: &Desired) -> Vec<&'static str> {
    let has = |kind: &str| desired.resources().iter().any(|wanted| wanted.address.kind == kind);
    let mut actions = [health::ACTIONS, doctor::ACTIONS].concat();
    for (kind, of_kind) in OF_KINDS.iter().chain(doctor::ACTIONS_OF) {
        if has(kind) {
            actions.extend(*of_kind);
        }
    }
    if redrive::functions::is_possible(desired) {
        actions.extend(redrive::functions::ACTIONS);
    }
    if redrive::stream::is_possible(desired) {
        actions.extend(redrive::stream::ACTIONS);
    }
    if probe::is_possible(desired) {
        actions.extend(probe::ACTIONS);
    }
    if probe::functions::is_possible(desired) {
        actions.extend(probe::functions::ACTIONS);
    }
    actions
}

/// The actions of the commands that need a resource of a certain kind in the stack.
const OF_KINDS: &[(&str, &[&str])] = &[
    (ecs::Service::FACTS.name, logs::ACTIONS),
    (lambda::Function::FACTS.name, logs::ACTIONS),
    (sqs::Queue::FACTS.name, redrive::ACTIONS),
];

/// The actions for any stack.
#[cfg(test)]
pub(crate) fn all() -> Vec<&'static str> {
    let mut all = [health::ACTIONS, doctor::ACTIONS, probe::ACTIONS, redrive::functions::ACTIONS].concat();
    all.extend(redrive::stream::ACTIONS);
    all.extend(probe::functions::ACTIONS);
    all.extend(OF_KINDS.iter().chain(doctor::ACTIONS_OF).flat_map(|(_, actions)| *actions));
    all
}
