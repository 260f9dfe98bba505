//! The changes of a plan: the wanted parts, compared with the parts that the supervisor says are running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use local::engines::ports as files;
use local::supervisor::part::Part;
use local::supervisor::protocol::{PartStatus, State};
use serde::{Deserialize, Serialize};

use crate::sections::machine::Laptop;

/// Each part as it was last applied, in words. It has no secrets. It is for the reader of a plan, and nothing is
/// decided by it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Described(BTreeMap<String, BTreeMap<String, String>>);

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) part: String,
    pub(crate) kind: String,
    pub(crate) section: String,
    #[serde(rename = "do")]
    pub(crate) action: Action,
    pub(crate) changes: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    Start,
    Restart,
    /// The part was paused or held back by hand.
    Resume,
    Stop,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// The differences in the order of the stack file. Parts that the file does not ask for any more come last.
///
/// `delays`: the replicas that hold back what they get, each with the seconds.
pub(crate) fn differences(laptop: &Laptop, running: &[PartStatus], delays: &BTreeMap<String, u64>) -> Vec<Difference> {
    let before = Described::read(&laptop.place.state().join(FILE));
    let after = Described::of(&laptop.parts);
    let mut differences = Vec::new();
    for part in &laptop.parts {
        let live = running.iter().find(|live| live.name == part.name);
        let action = match live {
            Some(live) if live.fingerprint.as_deref() == Some(&part.fingerprint()) => match live.state {
                State::Failed => Action::Start,
                State::Paused => Action::Resume,
                _ if delays.contains_key(&part.name) => Action::Resume,
                _ => continue,
            },
            Some(live) if live.pid.is_some() => Action::Restart,
            _ => Action::Start,
        };
        let mut changes = if action == Action::Restart { before.changes(&after, &part.name) } else { Vec::new() };
        if let Some(seconds) = delays.get(&part.name) {
            let (path, from, to) = ("delay".to_owned(), format!("{seconds} s"), "none".to_owned());
            changes.push(Change { path, from, to });
        }
        let section = laptop.sections.get(&part.name).cloned().unwrap_or_default();
        differences.push(Difference { part: part.name.clone(), kind: part.kind.clone(), section, action, changes });
    }
    let wanted: BTreeSet<&str> = laptop.parts.iter().map(|part| part.name.as_str()).collect();
    for live in running.iter().filter(|live| !wanted.contains(live.name.as_str())) {
        differences.push(Difference {
            part: live.name.clone(),
            kind: live.kind.clone(),
            section: String::new(),
            action: Action::Stop,
            changes: Vec::new(),
        });
    }
    differences
}

impl Described {
    pub(crate) fn of(parts: &[Part]) -> Described {
        Described(parts.iter().map(|part| (part.name.clone(), describe(part))).collect())
    }

    pub(crate) fn keep(&self, state: &Path) -> anyhow::Result<()> {
        files::write(&state.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    fn read(path: &Path) -> Described {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn changes(&self, after: &Described, part: &str) -> Vec<Change> {
        let nothing = BTreeMap::new();
        let (from, to) = (self.0.get(part).unwrap_or(&nothing), after.0.get(part).unwrap_or(&nothing));
        let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "(unset)".to_owned());
        let change =
            |name: &String| Change { path: name.clone(), from: shown(from.get(name)), to: shown(to.get(name)) };
        names.into_iter().filter(|name| from.get(*name) != to.get(*name)).map(change).collect()
    }
}

const FILE: &str = "applied.json";

fn describe(part: &Part) -> BTreeMap<String, String> {
    let mut described = BTreeMap::from([
        ("program".to_owned(), part.program.display().to_string()),
        ("arguments".to_owned(), part.args.join(" ")),
        ("configuration".to_owned(), part.generation.clone()),
    ]);
    for (name, value) in part.env.iter().filter(|(name, _)| !part.secrets.contains(*name)) {
        described.insert(format!("environment.{name}"), value.clone());
    }
    described
}
