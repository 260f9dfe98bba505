//! A plan in a file, as a contract: what was shown is what is done, or nothing is.
//!
//! It holds the changes, and of each resource that they touch what it was: its id and the fields that change. So it survives
//! whatever happens elsewhere, and is refused when one of those has moved. No secret is in it, since none is in a plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Action, Plan, known_after};
use crate::any::AnyLive;
use crate::diff::Change;
use crate::kind::Address;
use crate::kinds;
use crate::scope::{Scope, hex};
use crate::snapshot::Snapshot;

const FORMAT: &str = "provision plan";
/// It grows when an older program would do something else with the file.
const VERSION: u64 = 1;
/// Characters of the fingerprint that people compare.
const SHORT: usize = 12;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub stack: String,
    pub env: String,
    pub account: String,
    pub region: String,
    steps: Vec<SavedStep>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedStep {
    kind: String,
    name: String,
    section: String,
    /// Of what was live.
    id: Option<String>,
    #[serde(flatten)]
    action: Action,
}

/// Why a saved plan cannot be carried out any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub address: Address,
    pub how: String,
}

impl Saved {
    /// What a plan changes. What is refused cannot be done, so there is nothing to agree on.
    pub fn of(scope: &Scope, plan: &Plan) -> Saved {
        let step = |step: &super::Step| SavedStep {
            kind: step.address.kind.to_owned(),
            name: step.address.name.clone(),
            section: step.section.clone(),
            id: step.id.clone(),
            action: step.action.clone(),
        };
        Saved {
            stack: scope.stack.clone(),
            env: scope.env.clone(),
            account: scope.account.clone(),
            region: scope.region.clone(),
            steps: plan.changes().map(step).collect(),
        }
    }

    /// The file: the plan, and a fingerprint of it.
    pub fn document(&self) -> Value {
        let mut document = json!({"format": FORMAT, "version": VERSION, "plan": self});
        document["hash"] = fingerprint(&document).into();
        document
    }

    /// The fingerprint in short, the same for the same plan.
    pub fn hash(&self) -> String {
        let document = json!({"format": FORMAT, "version": VERSION, "plan": self});
        fingerprint(&document)[..SHORT].to_owned()
    }

    /// From a file, or why not.
    pub fn read(text: &str) -> Result<Saved, String> {
        let mut document: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        if document["format"] != FORMAT {
            return Err("it is no plan that `provision plan --out` has written".to_owned());
        }
        match document["version"].as_u64() {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                return Err(format!("it has version {newer}, and this program knows versions up to {VERSION}"));
            }
            _ => return Err("it has no version that was ever written".to_owned()),
        }
        let hash = document.as_object_mut().and_then(|members| members.remove("hash"));
        if hash != Some(Value::from(fingerprint(&document))) {
            return Err("it was changed after it had been written: its fingerprint is another".to_owned());
        }
        serde_json::from_value(document["plan"].take()).map_err(|error| format!("it cannot be understood: {error}"))
    }

    /// What cannot be done: a name is taken.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.steps.iter().filter(|step| step.action == Action::Refuse);
        refused.map(|step| format!("{} {}", step.kind, step.name)).collect()
    }

    /// What it touches.
    pub fn touches(&self, address: &Address) -> bool {
        self.steps.iter().any(|step| step.is(address))
    }

    /// Whether a plan for the same resources, made now, does what was shown and nothing else.
    pub fn compare(&self, now: &Plan, snapshot: &Snapshot) -> Vec<Moved> {
        let mut moved = Vec::new();
        for saved in &self.steps {
            let Some(kind) = kinds::find(&saved.kind) else {
                continue;
            };
            let address = Address { kind: kind.facts().name, name: saved.name.clone() };
            if let Some(how) = saved.moved(now.get(&address), snapshot.live.get(&address)) {
                moved.push(Moved { address, how });
            }
        }
        moved
    }
}

fn fingerprint(document: &Value) -> String {
    hex(&Sha256::digest(document.to_string().as_bytes()))
}

impl SavedStep {
    fn is(&self, address: &Address) -> bool {
        self.kind == address.kind && self.name == address.name
    }

    /// What is different now, if something is.
    fn moved(&self, now: Option<&super::Step>, live: Option<&AnyLive>) -> Option<String> {
        let Some(now) = now else {
            return match self.action {
                // Gone already: somebody did what the plan says.
                Action::Delete => None,
                _ => Some("the stack file does not ask for it any more".to_owned()),
            };
        };
        match (&self.action, &now.action) {
            (_, Action::Refuse) => Some("its name is taken by something that this stack did not make".to_owned()),
            (Action::Delete, Action::Delete) => self.another(now),
            (Action::Delete, _) => Some("the plan deletes it, and the stack file asks for it again".to_owned()),
            (_, Action::Delete) => Some("the stack file does not ask for it any more".to_owned()),
            (Action::Create { want }, Action::Create { want: wanted }) => differs("", &want.tree(), &wanted.tree()),
            // A run that was cut off has made it, not to the end; what is left to do was shown.
            (Action::Create { want }, Action::Update { changes }) => {
                let want = want.tree();
                let shown = |change: &&Change| at(&want, &change.path).is_some_and(|shown| agree(shown, &change.to));
                changes
                    .iter()
                    .find(|change| !shown(change))
                    .map(|change| format!("it is there by now, and its `{}` is {}", change.path, told(&change.from)))
            }
            (Action::Create { .. }, Action::Keep) => None,
            (Action::Create { .. }, _) => Some("it is there by now, and would have to be replaced".to_owned()),
            (Action::Replace { changes }, Action::Create { want }) => {
                let want = want.tree();
                changes.iter().find_map(|change| differs(&change.path, &change.to, at(&want, &change.path)?))
            }
            (_, Action::Create { .. }) => {
                Some("it is gone: the plan would create it, and showed no such thing".to_owned())
            }
            (Action::Update { .. }, Action::Replace { changes }) => {
                let why = changes.iter().find(|change| change.effect == crate::kind::Effect::Replace);
                let field = why.map_or("", |change| change.path.as_str());
                Some(format!("it has to be replaced now, because of `{field}`, and the plan showed no replacement"))
            }
            (Action::Update { changes } | Action::Replace { changes }, _) => {
                self.another(now).or_else(|| fields(changes, now.action.changes(), live))
            }
            _ => None,
        }
    }

    fn another(&self, now: &super::Step) -> Option<String> {
        let changes = !matches!(now.action, Action::Keep) && self.id != now.id;
        changes.then(|| {
            let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "nothing".to_owned());
            format!("it was {} when the plan was made, and is {} now", name(&self.id), name(&now.id))
        })
    }
}

/// The first field that is not as the plan has it.
fn fields(saved: &[Change], now: &[Change], live: Option<&AnyLive>) -> Option<String> {
    for change in now {
        let path = &change.path;
        let Some(shown) = saved.iter().find(|shown| shown.path == *path) else {
            return Some(format!(
                "`{path}` is {} and would become {}, which the plan did not show",
                told(&change.from),
                told(&change.to)
            ));
        };
        if shown.from != change.from {
            return Some(format!(
                "`{path}` was {} when the plan was made, and is {} now",
                told(&shown.from),
                told(&change.from)
            ));
        }
        if let Some(how) = differs(path, &shown.to, &change.to) {
            return Some(how);
        }
    }
    // What is not to be changed any more is as it was to become, or the stack file asks for something else.
    let state = live.map(|live| live.state.tree())?;
    let gone = saved.iter().filter(|shown| !now.iter().any(|change| change.path == shown.path));
    for shown in gone {
        let is = at(&state, &shown.path).unwrap_or(&Value::Null);
        if *is == shown.from && !agree(&shown.to, is) {
            return Some(format!(
                "the plan changes `{}` to {}, and the stack file does not ask for that any more",
                shown.path,
                told(&shown.to)
            ));
        }
    }
    None
}

fn differs(path: &str, shown: &Value, now: &Value) -> Option<String> {
    if agree(shown, now) {
        return None;
    }
    if let (Value::Object(shown), Value::Object(now)) = (shown, now) {
        let keys: std::collections::BTreeSet<&String> = shown.keys().chain(now.keys()).collect();
        return keys.into_iter().find_map(|key| {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differs(&inner, shown.get(key).unwrap_or(&Value::Null), now.get(key).unwrap_or(&Value::Null))
        });
    }
    Some(format!("`{path}` becomes {} in the plan, and {} by the stack file as it is now", told(shown), told(now)))
}

/// What the plan showed as not known yet may be whatever it turns out to be.
fn agree(shown: &Value, now: &Value) -> bool {
    match (shown, now) {
        (Value::String(_), _) if known_after(shown).is_some() => true,
        (Value::Object(shown), Value::Object(now)) => {
            shown.len() == now.len()
                && shown.iter().all(|(key, shown)| now.get(key).is_some_and(|now| agree(shown, now)))
        }
        (Value::Array(shown), Value::Array(now)) if shown.iter().any(|one| known_after(one).is_some()) => {
            shown.len() == now.len()
        }
        (shown, now) => shown == now,
    }
}

/// The value at a path such as `policy.Statement`. A key may have dots of its own.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let Value::Object(members) = value else { return None };
    members.get(path).or_else(|| {
        members.iter().find_map(|(key, inner)| at(inner, path.strip_prefix(key.as_str())?.strip_prefix('.')?))
    })
}

fn told(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
