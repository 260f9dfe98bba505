//! Makes a plan from the desired and the live resources. It is pure, synchronous and deterministic.
//!
//! The plan is a value: the same one is printed, tested and applied. `down` is the plan for the empty stack. A refresh
//! is an ordinary plan, since nothing is stored.

pub mod desired;
pub mod diff;
pub mod kept;
pub mod saved;
pub mod snapshot;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::any::{AnyKind, AnyLive};
use crate::kind::board::{Board, Published};
use crate::kind::facts::{Address, Effect, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Late, Status};
use crate::plan::desired::{Desired, Wanted};
use crate::plan::diff::{Change, changes};
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub address: Address,
    pub kind: &'static dyn AnyKind,
    /// The part of the stack file that asks for the resource. If nothing asks for it any more, the part that must have
    /// asked.
    pub section: String,
    /// The ARN or id of the live resource.
    pub id: Option<String>,
    pub action: Action,
    /// Whether data is lost if the resource is deleted or replaced.
    pub loses_data: bool,
    /// What is lost with the resource, in words.
    pub loss: Option<String>,
    /// What AWS says it is doing with the resource right now, if it is busy.
    pub busy: Option<String>,
    /// The resource of ours on which somebody else has put this one.
    pub on: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    Keep,
    Create {
        want: Json,
    },
    Update {
        changes: Vec<Change>,
    },
    Replace {
        changes: Vec<Change>,
    },
    Delete,
    /// The resource is live and ours, and the stack does not want it. It is kept because the user said so.
    Retain,
    /// Something that this stack did not make has the name of the resource.
    Refuse,
}

/// A chosen resource needs another one that was not chosen and does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub user: Address,
    pub needs: Address,
}

impl Action {
    pub fn is_change(&self) -> bool {
        !matches!(self, Action::Keep | Action::Retain)
    }

    /// The words of the actions that totals count, each with its form there: `3 to create`.
    pub const WORDS: [(&'static str, &'static str); 5] = [
        ("create", "to create"),
        ("change", "to change"),
        ("replace", "to replace"),
        ("delete", "to delete"),
        ("refuse", "refused"),
    ];

    pub fn word(&self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Create { .. } => "create",
            Action::Update { .. } => "change",
            Action::Replace { .. } => "replace",
            Action::Delete => "delete",
            Action::Retain => "retain",
            Action::Refuse => "refuse",
        }
    }

    pub fn symbol(&self) -> &'static str {
        match self {
            Action::Create { .. } => "+",
            Action::Update { .. } => "~",
            Action::Replace { .. } => "±",
            Action::Delete => "-",
            Action::Refuse => "!",
            Action::Keep | Action::Retain => "=",
        }
    }

    pub fn changes(&self) -> &[Change] {
        match self {
            Action::Update { changes } | Action::Replace { changes } => changes,
            _ => &[],
        }
    }
}

impl Plan {
    /// The plan from what is live to what is wanted.
    pub fn new(scope: &Scope, desired: &Desired, snapshot: &Snapshot) -> Plan {
        Plan::part(scope, desired, snapshot, &|_, _| true).0
    }

    /// The plan from what is live to what is wanted, for the resources that `chosen` picks by section and address. The
    /// others stay as they are.
    pub fn part(
        scope: &Scope,
        desired: &Desired,
        snapshot: &Snapshot,
        chosen: &dyn Fn(&str, &Address) -> bool,
    ) -> (Plan, Vec<Lack>) {
        let mut board = snapshot.board();
        let mut steps = Vec::new();
        let mut absent = BTreeSet::new();
        let mut lacks = Vec::new();
        for wanted in desired.in_order() {
            let live = snapshot.live.get(&wanted.address).filter(|live| live.status != Status::Deleting);
            if !chosen(&wanted.section, &wanted.address) {
                publish_placeholders(wanted, live, &mut board);
                if live.is_none_or(|live| !live.owner.is_ours()) {
                    absent.insert(&wanted.address);
                }
                continue;
            }
            let step = step(scope, wanted, live, &mut board);
            if step.action != Action::Keep {
                let lacking = wanted.refers_to.iter().filter(|needs| absent.contains(needs));
                lacks.extend(lacking.map(|needs| Lack { user: wanted.address.clone(), needs: needs.clone() }));
            }
            steps.push(step);
        }
        steps.sort_by_cached_key(|step| desired.place(&step.address));
        steps.extend(removals(desired, snapshot).filter(|step| chosen(&step.section, &step.address)));
        (Plan { steps }, lacks)
    }

    /// The plan from what is live to nothing. `keep` names the resources that stay, with all that they stand on.
    pub fn removal(desired: &Desired, snapshot: &Snapshot, keep: &BTreeSet<Address>) -> Plan {
        let mut steps: Vec<Step> = removals(&Desired::new(desired.registry), snapshot).collect();
        for step in &mut steps {
            if let Some(wanted) = desired.get(&step.address) {
                step.section.clone_from(&wanted.section);
            }
            if keep.contains(&step.address) {
                step.action = Action::Retain;
                step.loses_data = false;
                step.loss = None;
            }
        }
        Plan { steps }
    }

    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }

    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action.is_change())
    }

    pub fn get(&self, address: &Address) -> Option<&Step> {
        self.steps.iter().find(|step| step.address == *address)
    }
}

fn step(scope: &Scope, wanted: &Wanted, live: Option<&AnyLive>, board: &mut Board) -> Step {
    let facts = wanted.kind.facts();
    let late = if live.is_some() { Late::IsAwaited } else { Late::MayBeAbsent };
    let want = wanted
        .kind
        .want(scope, &wanted.address.name, &wanted.spec, &board.outputs(late))
        .expect("everything upstream has published, if only a placeholder");
    let action = match live {
        None => Action::Create { want },
        Some(live) if !live.owner.is_ours() => Action::Refuse,
        Some(live) => match changes(scope, facts, live, &want) {
            changes if changes.is_empty() => Action::Keep,
            changes if changes.iter().any(|change| change.effect == Effect::Replace) => Action::Replace { changes },
            changes => Action::Update { changes },
        },
    };
    let moves = match &action {
        Action::Create { .. } | Action::Replace { .. } | Action::Refuse => true,
        Action::Update { changes } => facts.moves_output(changes.iter().map(Change::field)),
        _ => false,
    };
    publish_placeholders(wanted, live.filter(|_| !moves), board);
    let replaced = live.filter(|_| matches!(action, Action::Replace { .. }));
    Step {
        address: wanted.address.clone(),
        kind: wanted.kind,
        section: wanted.section.clone(),
        id: live.map(|live| live.id.clone()),
        loss: replaced.and_then(|live| loss(facts, live)),
        loses_data: facts.holds_data && matches!(action, Action::Replace { .. }),
        busy: live.and_then(|live| match &live.status {
            Status::Busy(word) => Some(word.clone()),
            _ => None,
        }),
        action,
        on: None,
    }
}

/// Publishes placeholders that name the resource for its outputs that are not known yet. So the plan says exactly which
/// fields of other resources will change, although it cannot say to what.
fn publish_placeholders(wanted: &Wanted, live: Option<&AnyLive>, board: &mut Board) {
    let (output, ready) = wanted.kind.blank();
    let known = live.and_then(|live| live.ready.clone());
    let unknown = |blank: &Value| Json::of(&placeholder(blank, &wanted.address));
    board.publish(
        &wanted.address,
        Published {
            output: live.map_or_else(|| unknown(&output), |live| live.output.clone()),
            ready: Some(known.unwrap_or_else(|| unknown(&ready))),
        },
    );
}

/// The resource after which a value is known, if it is not known yet.
pub fn known_after(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let (_, rest) = text.split_once(KNOWN_AFTER)?;
            rest.split_once(')').map(|(address, _)| address)
        }
        Value::Array(items) => items.iter().find_map(known_after),
        Value::Object(map) => map.values().find_map(known_after),
        _ => None,
    }
}

/// A value that is not known before something else has happened.
pub fn placeholder_after(what: &str) -> Value {
    Value::String(format!("{KNOWN_AFTER}{what})"))
}

const KNOWN_AFTER: &str = "(known after ";

fn placeholder(value: &Value, address: &Address) -> Value {
    match value {
        Value::String(_) => placeholder_after(&address.to_string()),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), placeholder(value, address))).collect(),
        other => other.clone(),
    }
}

/// The outputs of all resources of the stack, as far as they are known.
pub(crate) fn known(desired: &Desired, snapshot: &Snapshot) -> Board {
    let mut board = Board::default();
    for wanted in desired.resources() {
        publish_placeholders(wanted, snapshot.live.get(&wanted.address), &mut board);
    }
    board
}

/// The steps that remove live resources of ours that nothing asks for, users before the resources that they use.
fn removals(desired: &Desired, snapshot: &Snapshot) -> impl Iterator<Item = Step> {
    let registry = desired.registry;
    let mut orphans: Vec<&AnyLive> = snapshot
        .live
        .values()
        .filter(|live| live.owner.is_ours() && live.status != Status::Deleting)
        .filter(|live| desired.get(&live.address).is_none())
        .collect();
    orphans.sort_by_key(|live| std::cmp::Reverse((registry.position)(live.address.kind)));
    orphans.into_iter().map(move |live| {
        let kind = (registry.find)(live.address.kind).expect("what is read is of a known kind");
        let facts = kind.facts();
        let on = match &live.owner {
            Owner::Beside(on) => Some(on.clone()),
            _ => None,
        };
        let home = on.as_ref().and_then(|on| desired.get(on)).map(|wanted| wanted.section.clone());
        Step {
            address: live.address.clone(),
            kind,
            section: home.unwrap_or_else(|| (registry.owner_of)(live)),
            id: Some(live.id.clone()),
            action: Action::Delete,
            loses_data: facts.holds_data,
            loss: loss(facts, live),
            busy: None,
            on,
        }
    })
}

/// What is lost when a resource is removed, in words.
fn loss(facts: &Facts, live: &AnyLive) -> Option<String> {
    let copied = facts.copy_of.and_then(|field| live.state.get(field).as_str().map(str::to_owned));
    match (facts.holds_data, copied) {
        (true, Some(source)) => Some(format!("its copy of the data, while {source} keeps its own")),
        (true, None) => Some("all its data".to_owned()),
        (false, _) if facts.takes_along.is_empty() => None,
        (false, _) => Some(facts.takes_along.to_owned()),
    }
}
