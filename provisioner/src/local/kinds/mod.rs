//! The kinds of things that a stack becomes on this machine. A plan treats them as it treats the kinds of AWS: they have
//! no calls, because the supervisor, the server of messages and the engine of tables go to the wanted state by themselves.

mod api;
mod delivery;
mod process;
mod queue;
mod routes;
mod subscription;
mod table;
mod topic;

use serde_json::Value;

pub(crate) use api::{Api, ApiSpec, ApiState};
pub(crate) use delivery::{Delivery, DeliverySpec, DeliveryState};
pub(crate) use process::{Process, ProcessSpec, ProcessState, RUNNING};
pub(crate) use queue::{Queue, QueueSpec, QueueState};
pub(crate) use routes::{Routes, RoutesSpec, RoutesState};
pub(crate) use subscription::{Subscription, SubscriptionSpec, SubscriptionState};
pub(crate) use table::{Table, TableSpec, TableState};
pub(crate) use topic::{Topic, TopicSpec, TopicState};

use crate::kind::any::{AnyKind, AnyLive, Registry};
use crate::sections::functions::FAILED;
use crate::sections::queues::DEAD_LETTER;

/// All kinds of this machine. A kind stands before the kinds that use it.
pub(crate) static KINDS: &[&dyn AnyKind] = &[&Process, &Topic, &Queue, &Table, &Subscription, &Delivery, &Routes, &Api];

/// The kinds that a stack becomes on this machine.
pub(crate) const REGISTRY: Registry = Registry { find, position, owner_of };

fn find(name: &str) -> Option<&'static dyn AnyKind> {
    KINDS.iter().find(|kind| kind.facts().name == name).copied()
}

fn position(name: &str) -> usize {
    KINDS.iter().position(|kind| kind.facts().name == name).unwrap_or(usize::MAX)
}

/// The section that must have asked for something which nothing asks for any more. A process says so itself.
fn owner_of(live: &AnyLive) -> String {
    let name = live.address.name.as_str();
    match live.address.kind {
        "local.topic" => format!("topics.{name}"),
        "local.queue" if name.ends_with(FAILED) => format!("functions.{}", name.trim_end_matches(FAILED)),
        "local.queue" => format!("queues.{}", name.strip_suffix(DEAD_LETTER).unwrap_or(name)),
        "local.subscription" => format!("queues.{}", name.rsplit_once("-to-").map_or(name, |(_, queue)| queue)),
        "local.delivery" => format!("functions.{}", name.rsplit_once("-to-").map_or(name, |(_, function)| function)),
        "local.table" => format!("tables.{name}"),
        "local.routes" => "services".to_owned(),
        "local.api" => "functions".to_owned(),
        _ => match live.state.get("section") {
            Value::String(section) if !section.is_empty() => section,
            // A supervisor of an earlier version does not tell.
            _ => "stack".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
