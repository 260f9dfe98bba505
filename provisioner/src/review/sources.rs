//! Finds out why a plan changes something: the line of the stack file that asks for it, or the fact that no line does.
//!
//! Nothing is recorded about earlier runs. So each line of the file is tried with another value, and the line is the
//! reason for the fields that differ then. A field that no line decides, and that is not as it should be, has drifted,
//! or its line is gone.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::image::Otherwise;
use crate::kind::Late;
use crate::kind::facts::{Address, Class, Effect};
use crate::kind::json::Json;
use crate::plan::desired::{Desired, Wanted};
use crate::plan::diff::{Change, TAGS, compare};
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan, Step, known, known_after};
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::lines::{Leaf, Lines};
use crate::yaml::Position;

/// Why something changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Why {
    /// A line of the stack file asks for it.
    Line { line: usize, column: usize, key: String },
    /// The section of the resource in the stack file asks for it.
    Section { line: usize, column: usize },
    /// No line of the file asks for it: it was changed outside, or its line is gone.
    Drift,
    /// The value comes from another resource that this plan changes.
    Follows { resource: String },
    /// The runtime was built anew.
    Build,
    /// The account has a permissions boundary for the roles of the stack.
    Account,
    /// The secret has another version.
    Secret,
    /// Nothing asks for the resource any more.
    Nobody,
    /// The resource belongs to every stack of this sort.
    Stack,
    /// This stack did not make it: somebody else has put it on a resource of this stack.
    Beside { on: String },
}

/// The most work for all lines together. To try a line, the whole stack is expanded, and a plan has only so much time.
const MOST_WORK: usize = 300_000;

#[derive(Default)]
pub struct Sources {
    lines: Option<Lines>,
    of_fields: BTreeMap<(Address, String), Why>,
    of_resources: BTreeMap<Address, Why>,
    /// Sections with lines that could not be tried.
    untried: BTreeSet<String>,
    all_tried: bool,
}

/// The stack file, and the resources that it becomes.
#[derive(Clone, Copy)]
pub struct File<'a> {
    pub loaded: &'a Loaded,
    pub scope: &'a Scope,
    pub desired: &'a Desired,
    pub snapshot: &'a Snapshot,
    /// The resources that another stack would become in this place, if something outside of its file were another thing.
    pub expand: &'a dyn Fn(&Loaded, Otherwise) -> Desired,
}

impl Sources {
    pub fn find(file: &File<'_>, plan: &Plan) -> Sources {
        let mut sources = Sources { lines: Lines::of(file.loaded), ..Sources::default() };
        let Some(lines) = &sources.lines else { return sources };
        let mut leaves = lines.leaves();
        let work = |leaves: &[Leaf]| leaves.len() * file.desired.resources().len();
        sources.all_tried = work(&leaves) <= MOST_WORK;
        if !sources.all_tried {
            let changed: BTreeSet<&str> = plan.changes().map(|step| step.section.as_str()).collect();
            leaves.retain(|leaf| leaf.sections().iter().any(|section| changed.contains(section.as_str())));
        }
        if work(&leaves) > MOST_WORK || plan.is_empty() {
            return sources;
        }
        let mut trial = Trial::new(file, plan);
        for leaf in &leaves {
            match lines.other(leaf) {
                Some(other) => trial.note(leaf, &(file.expand)(&other, Otherwise::AsItIs)),
                None => drop(sources.untried.insert(section(&leaf.key()))),
            }
        }
        trial.compare(&(file.expand)(file.loaded, Otherwise::Rebuilt), &Why::Build, &|_| false);
        trial.compare(&(file.expand)(file.loaded, Otherwise::Unbounded), &Why::Account, &|_| false);
        (sources.of_fields, sources.of_resources) = (trial.of_fields, trial.of_resources);
        sources.of_fields.extend(versions(file, plan));
        sources
    }

    /// The line where a section begins.
    pub fn line_of(&self, section: &str) -> Option<usize> {
        self.lines.as_ref()?.section(section).map(|at| at.line)
    }

    pub fn of_step(&self, step: &Step) -> Why {
        match &step.action {
            Action::Delete if step.on.is_some() => beside(step.on.as_ref().unwrap_or(&step.address)),
            // For `down` there is no file, and the whole stack goes.
            Action::Delete if self.lines.is_some() => Why::Nobody,
            Action::Update { changes } | Action::Replace { changes } => {
                changes.iter().map(|change| self.of_change(step, change)).min().unwrap_or(Why::Drift)
            }
            _ => self.of_resources.get(&step.address).cloned().unwrap_or_else(|| self.of_section(&step.section)),
        }
    }

    pub fn of_change(&self, step: &Step, change: &Change) -> Why {
        let field = step.kind.facts().field(change.field());
        if field.is_some_and(|field| field.class == Class::WriteOnly) {
            return Why::Secret;
        }
        if field.is_some_and(|field| field.beside.is_some()) {
            return beside(&step.address);
        }
        if let Some((TAGS, key)) = change.path.split_once('.') {
            let at = self.lines.as_ref().and_then(|lines| lines.tag(key));
            let line = |at: Position| Why::Line { line: at.line, column: at.column, key: change.path.clone() };
            return at.map_or(Why::Drift, line);
        }
        if let Some(why) = self.of_fields.get(&(step.address.clone(), change.path.clone())) {
            return why.clone();
        }
        match known_after(&change.to) {
            Some(resource) => Why::Follows { resource: resource.to_owned() },
            None if !self.all_tried || self.untried.contains(&step.section) => self.of_section(&step.section),
            None => Why::Drift,
        }
    }

    fn of_section(&self, section: &str) -> Why {
        match self.lines.as_ref().and_then(|lines| lines.section(section)) {
            Some(at) if section != "stack" => Why::Section { line: at.line, column: at.column },
            _ => Why::Stack,
        }
    }
}

fn beside(on: &Address) -> Why {
    Why::Beside { on: on.to_string() }
}

/// The section of a key: `queues.work` for `queues.work.from.0`.
fn section(key: &str) -> String {
    key.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

struct Trial<'a> {
    file: &'a File<'a>,
    /// The resources that change. For an update or a replacement, also the wanted state, as far as it is known
    /// beforehand.
    changed: Vec<(&'a Step, &'a Wanted, Option<Json>)>,
    of_fields: BTreeMap<(Address, String), Why>,
    of_resources: BTreeMap<Address, Why>,
}

impl<'a> Trial<'a> {
    fn new(file: &'a File<'a>, plan: &'a Plan) -> Trial<'a> {
        let board = known(file.desired, file.snapshot);
        let outputs = board.outputs(Late::MayBeAbsent);
        let changed = plan.changes().filter_map(|step| {
            let wanted = file.desired.get(&step.address)?;
            let differs = matches!(step.action, Action::Update { .. } | Action::Replace { .. });
            let want = || wanted.kind.want(file.scope, &wanted.address.name, &wanted.spec, &outputs).ok();
            Some((step, wanted, if differs { want() } else { None }))
        });
        Trial { file, changed: changed.collect(), of_fields: BTreeMap::new(), of_resources: BTreeMap::new() }
    }

    /// Notes a line as the reason for everything that would be different without it. If there are several such lines,
    /// the first in the resource's own section is the reason.
    fn note(&mut self, leaf: &Leaf, other: &Desired) {
        let why = Why::Line { line: leaf.at.line, column: leaf.at.column, key: leaf.key() };
        self.compare(other, &why, &|section| leaf.is_in(section));
    }

    fn compare(&mut self, other: &Desired, why: &Why, at_home: &dyn Fn(&str) -> bool) {
        let mut board = None;
        for (step, wanted, want) in &self.changed {
            let home = at_home(&step.section);
            let Some(changed) = other.get(&step.address) else {
                put(&mut self.of_resources, step.address.clone(), why, home);
                continue;
            };
            let (Some(want), Action::Update { changes } | Action::Replace { changes }) = (want, &step.action) else {
                continue;
            };
            if changed.spec == wanted.spec {
                continue;
            }
            let outputs = board.get_or_insert_with(|| known(other, self.file.snapshot)).outputs(Late::MayBeAbsent);
            let Ok(then) = wanted.kind.want(self.file.scope, &wanted.address.name, &changed.spec, &outputs) else {
                continue;
            };
            let mut moved = Vec::new();
            let (now, then) = (want.tree(), then.tree());
            for field in wanted.kind.facts().fields {
                compare(field.name, &now[field.name], &then[field.name], Effect::InPlace, &mut moved);
            }
            for change in changes.iter().filter(|change| moved.iter().any(|moved| concerns(moved, change))) {
                put(&mut self.of_fields, (step.address.clone(), change.path.clone()), why, home);
            }
        }
    }
}

/// The fields that change because somebody put another value into a secret that the stack only reads. A line gives them
/// the secret, but it is the version that is new.
fn versions(file: &File<'_>, plan: &Plan) -> BTreeMap<(Address, String), Why> {
    let mut trial = Trial::new(file, plan);
    trial.compare(&(file.expand)(file.loaded, Otherwise::Rotated), &Why::Secret, &|_| false);
    let newer = plan.changes().flat_map(|step| {
        let newer = step.action.changes().iter().filter(|change| is_newer_version(change));
        newer.map(|change| (step.address.clone(), change.path.clone()))
    });
    let newer: BTreeSet<(Address, String)> = newer.collect();
    trial.of_fields.retain(|field, _| newer.contains(field));
    trial.of_fields
}

/// Whether both values name the same secret. A version stands alone, or behind the ARN and the last colon.
fn is_newer_version(change: &Change) -> bool {
    let secret = |value: &Value| value.as_str().map(|text| text.rsplit_once(':').map(|(arn, _)| arn.to_owned()));
    let (from, to) = (secret(&change.from), secret(&change.to));
    from.is_some() && from == to
}

fn put<K: Ord>(reasons: &mut BTreeMap<K, Why>, of: K, why: &Why, home: bool) {
    if home {
        // Lines of the resource's own section come in the order of the file, and the first one stays. A line from
        // elsewhere gives way to them.
        let first = reasons.entry(of).or_insert_with(|| why.clone());
        if let (Why::Line { key: there, .. }, Why::Line { key, .. }) = (&*first, why)
            && section(there) != section(key)
        {
            *first = why.clone();
        }
    } else {
        reasons.entry(of).or_insert_with(|| why.clone());
    }
}

/// Whether the difference that a line makes is the change of the plan. In a list, only members that come or go count.
fn concerns(moved: &Change, change: &Change) -> bool {
    let inside = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
    if moved.path != change.path {
        return inside(&moved.path, &change.path) || inside(&change.path, &moved.path);
    }
    match (&moved.from, &moved.to, &change.from, &change.to) {
        (Value::Array(now), Value::Array(then), Value::Array(from), Value::Array(to)) => {
            let decided = apart(now, then);
            let changes = apart(from, to);
            // If nothing comes or goes, only the order of the list has changed.
            changes.is_empty() || changes.iter().any(|member| decided.contains(member) || known_after(member).is_some())
        }
        _ => true,
    }
}

fn apart<'a>(one: &'a [Value], other: &'a [Value]) -> Vec<&'a Value> {
    let only = |these: &'a [Value], those: &'a [Value]| these.iter().filter(|this| !those.contains(this)).collect();
    let mut all: Vec<&Value> = only(one, other);
    all.extend::<Vec<&Value>>(only(other, one));
    all
}
