//! A plan as its reader needs it, by section of the stack file. Each change has its reason, what it does to those who
//! depend on the resource, and how long it takes. This is pure: text, Markdown and JSON are made from this one value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub mod sources;

use self::sources::{Sources, Why};
use crate::kind::facts::{Address, Effect};
use crate::plan::desired::Desired;
use crate::plan::diff::Change;
use crate::plan::{Action, Plan, Step, known_after};
use crate::scope::Scope;

/// What a change does to those who use the resource. The order is from harmless to bad; a review shows the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    None,
    Restart,
    Failover,
    /// The resource is removed. It holds no data.
    Removed,
    Downtime,
    /// Something is lost for good.
    DataLoss,
    /// The change cannot be made: the name is taken.
    Blocked,
}

/// What the stack file was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "with")]
pub enum Against {
    /// Compared with what is live on AWS.
    Aws,
    /// Compared with what runs on this machine.
    ThisMachine,
    /// Compared with an empty account. AWS was not asked.
    Nothing,
    /// Compared with what was live when the snapshot was taken. AWS was not asked now.
    Snapshot { age_seconds: u64 },
}

impl Against {
    /// Whether the plan was compared with what is there now, so that it can be carried out.
    pub fn is_live(self) -> bool {
        matches!(self, Against::Aws | Against::ThisMachine)
    }

    /// What the reader has to know about this comparison.
    pub fn warning(self) -> Option<String> {
        match self {
            Against::Aws | Against::ThisMachine => None,
            Against::Nothing => Some("Compared with an empty account: nobody was asked what is there.".to_owned()),
            Against::Snapshot { age_seconds } => {
                let age = seconds(u32::try_from(age_seconds).unwrap_or(u32::MAX));
                Some(format!("Compared with a snapshot that is {age} old: nobody was asked what is there now."))
            }
        }
    }
}

pub struct Review<'a> {
    pub scope: &'a Scope,
    pub against: Against,
    /// The sections with changes, in the order of the stack file.
    pub sections: Vec<Section<'a>>,
    /// How many resources the plan has in all.
    pub resources: usize,
    pub kept: Vec<&'a Address>,
    /// Resources that this plan does not change, but that AWS is working on, each with AWS's word for that.
    pub busy: Vec<(&'a Address, &'a str)>,
    /// Resources that would change too, but were not chosen.
    pub left_out: Vec<Address>,
    /// How long the changes take, in seconds, about: the least and the most.
    pub takes: (u32, u32),
}

pub struct Section<'a> {
    pub name: &'a str,
    pub line: Option<usize>,
    pub items: Vec<Item<'a>>,
    /// The other name of the section, if it looks as if it was renamed.
    pub renamed: Option<Renamed>,
}

pub enum Renamed {
    From(String),
    To(String),
}

pub struct Item<'a> {
    pub step: &'a Step,
    pub why: Why,
    pub disruption: Disruption,
    pub outage: (u32, u32),
    pub takes: (u32, u32),
    /// More that the reader should know.
    pub notes: Vec<&'static str>,
    pub fields: Vec<Field<'a>>,
}

pub struct Field<'a> {
    pub change: &'a Change,
    pub why: Why,
    pub disruption: Disruption,
    pub unknown: bool,
}

impl<'a> Review<'a> {
    pub fn new(scope: &'a Scope, plan: &'a Plan, desired: &Desired, sources: &Sources, against: Against) -> Review<'a> {
        let mut sections: Vec<Section<'a>> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for step in plan.changes() {
            let place = *places.entry(&step.section).or_insert_with(|| {
                let line = sources.line_of(&step.section);
                sections.push(Section { name: &step.section, line, items: Vec::new(), renamed: None });
                sections.len() - 1
            });
            sections[place].items.push(item(step, sources, against));
        }
        // On this machine the data of a section that goes is kept.
        if against != Against::ThisMachine {
            renames(&mut sections);
        }
        let still = plan.steps.iter().filter(|step| !step.action.is_change());
        Review {
            scope,
            against,
            takes: takes(&sections, desired),
            sections,
            resources: plan.steps.len(),
            kept: plan.steps.iter().filter(|step| step.action == Action::Retain).map(|step| &step.address).collect(),
            busy: still.filter_map(|step| Some((&step.address, step.busy.as_deref()?))).collect(),
            left_out: Vec::new(),
        }
    }

    pub fn items(&self) -> impl Iterator<Item = &Item<'a>> {
        self.sections.iter().flat_map(|section| &section.items)
    }

    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// The totals by action, with their words: `3 to create`, `1 to delete`.
    pub fn totals(&self) -> Vec<(usize, &'static str)> {
        let count = |word| self.items().filter(|item| item.step.action.word() == word).count();
        let mut totals: Vec<(usize, &str)> = Action::WORDS.iter().map(|(word, said)| (count(*word), *said)).collect();
        totals.push((self.kept.len(), "kept"));
        totals.push((self.left_out.len(), "left out"));
        totals.retain(|(count, _)| *count > 0);
        totals
    }

    /// How many changes there are of each disruption, the worst first. Changes without disruption are not counted.
    pub fn risks(&self) -> Vec<(usize, Disruption)> {
        let mut counts: BTreeMap<Disruption, usize> = BTreeMap::new();
        for item in self.items().filter(|item| item.disruption != Disruption::None) {
            *counts.entry(item.disruption).or_default() += 1;
        }
        counts.into_iter().rev().map(|(risk, count)| (count, risk)).collect()
    }
}

impl Disruption {
    /// The disruption in words, with its length where there is one: `downtime of 10 to 30 min`.
    pub fn told(self, outage: (u32, u32)) -> String {
        let lasting = |word: &str| match outage {
            (_, 0) => word.to_owned(),
            (0, most) => format!("{word} of up to {}", seconds(most)),
            (least, most) => format!("{word} of {}", range(least, most)),
        };
        match self {
            Disruption::None => "no disruption".to_owned(),
            Disruption::Restart => lasting("restart"),
            Disruption::Failover => lasting("failover"),
            Disruption::Removed => "removed".to_owned(),
            Disruption::Downtime => lasting("downtime"),
            Disruption::DataLoss => "DATA LOSS".to_owned(),
            Disruption::Blocked => "BLOCKED".to_owned(),
        }
    }
}

/// A range of seconds in words: `about 7 min`, `10 to 30 min`, `20 min to 2 h`.
pub fn range(least: u32, most: u32) -> String {
    let (from, to) = (seconds(least), seconds(most));
    match (from.split_once(' '), to.split_once(' ')) {
        _ if from == to => format!("about {from}"),
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} to {to}"),
        _ => format!("{from} to {to}"),
    }
}

fn seconds(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..5_400 => format!("{} min", seconds.div_ceil(60)),
        5_400..172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn item<'a>(step: &'a Step, sources: &Sources, against: Against) -> Item<'a> {
    let facts = step.kind.facts();
    let changes = step.action.changes();
    let known: Vec<_> = changes.iter().filter_map(|change| facts.field(change.field())).collect();
    let mut notes: Vec<&str> = known.iter().map(|field| field.note).filter(|note| !note.is_empty()).collect();
    notes.dedup();
    let (disruption, outage, takes) = match &step.action {
        Action::Refuse => (Disruption::Blocked, (0, 0), (0, 0)),
        Action::Delete => (gone(step, Disruption::Removed), (0, 0), both(facts.seconds.delete)),
        Action::Replace { .. } => {
            notes = vec![match against {
                Against::ThisMachine => {
                    "this cannot be changed in place: the old one is deleted, then a new one is made"
                }
                _ => "AWS cannot change this in place: the old one is deleted, then a new one is made",
            }];
            let away = both(facts.seconds.delete + facts.seconds.create);
            (gone(step, Disruption::Downtime), away, away)
        }
        Action::Update { .. } => {
            let worst = known.iter().map(|field| field.effect).max().unwrap_or(Effect::InPlace);
            let of_worst = known.iter().filter(|field| field.effect == worst).map(|field| field.outage);
            let outage = of_worst.fold((0, 0), longest);
            let takes = known.iter().map(|field| field.takes.unwrap_or(both(facts.seconds.update)));
            (of_effect(worst), outage, takes.fold((0, 0), longest))
        }
        _ => (Disruption::None, (0, 0), both(facts.seconds.create)),
    };
    let field = |change: &'a Change| Field {
        change,
        why: sources.of_change(step, change),
        disruption: of_effect(change.effect),
        unknown: known_after(&change.to).is_some(),
    };
    let fields = changes.iter().map(field).collect();
    Item { step, why: sources.of_step(step), disruption, outage, takes, notes, fields }
}

fn gone(step: &Step, otherwise: Disruption) -> Disruption {
    if step.loss.is_some() { Disruption::DataLoss } else { otherwise }
}

fn of_effect(effect: Effect) -> Disruption {
    match effect {
        Effect::InPlace => Disruption::None,
        Effect::Restart => Disruption::Restart,
        Effect::Failover => Disruption::Failover,
        Effect::Downtime | Effect::Replace => Disruption::Downtime,
    }
}

fn both(seconds: u32) -> (u32, u32) {
    (seconds, seconds)
}

fn longest(one: (u32, u32), other: (u32, u32)) -> (u32, u32) {
    (one.0.max(other.0), one.1.max(other.1))
}

/// How long all changes take: the longest path. A change comes after the changes that it needs. Removals come when
/// everything else is done.
fn takes(sections: &[Section<'_>], desired: &Desired) -> (u32, u32) {
    let items: BTreeMap<&Address, &Item<'_>> =
        sections.iter().flat_map(|section| &section.items).map(|item| (&item.step.address, item)).collect();
    let mut ends: BTreeMap<&Address, (u32, u32)> = BTreeMap::new();
    for wanted in desired.in_order() {
        let own = items.get(&wanted.address).filter(|item| item.step.action != Action::Delete);
        let own = own.map_or((0, 0), |item| item.takes);
        let before = wanted.refers_to.iter().filter_map(|needs| ends.get(needs).copied()).fold((0, 0), longest);
        ends.insert(&wanted.address, (before.0 + own.0, before.1 + own.1));
    }
    let made = ends.into_values().fold((0, 0), longest);
    let gone = items.values().filter(|item| item.step.action == Action::Delete).map(|item| item.takes);
    let gone = gone.fold((0, 0), longest);
    (made.0 + gone.0, made.1 + gone.1)
}

/// Finds sections that look renamed: exactly one section of a type goes whole, and exactly one of the same type comes.
/// AWS sees no rename there.
fn renames(sections: &mut [Section<'_>]) {
    let all = |section: &Section<'_>, word| section.items.iter().all(|item| item.step.action.word() == word);
    // For each type how many sections go or come whole, and the place of the last of them.
    let of = |word: &'static str| {
        let mut types: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (place, section) in sections.iter().enumerate().filter(|(_, section)| all(section, word)) {
            if let Some((sort, _)) = section.name.split_once('.') {
                let (count, last) = types.entry(sort.to_owned()).or_default();
                (*count, *last) = (*count + 1, place);
            }
        }
        types
    };
    let (gone, come) = (of("delete"), of("create"));
    for (sort, old) in gone {
        if let ((1, old), Some((1, new))) = (old, come.get(&sort)) {
            sections[*new].renamed = Some(Renamed::From(sections[old].name.to_owned()));
            sections[old].renamed = Some(Renamed::To(sections[*new].name.to_owned()));
        }
    }
}
