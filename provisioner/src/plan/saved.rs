//! A plan in a file, as a contract: `up` does what was shown, or nothing.
//!
//! The file holds the changes, and for each resource that they touch its id and the old values of the fields that
//! change. So the plan stays valid whatever happens to other resources, and is refused when one of these has moved. No
//! secret is in it, since none is in a plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Action, Plan, Step, known_after};
use crate::kind::any::{AnyLive, Registry};
use crate::kind::facts::Address;
use crate::plan::diff::Change;
use crate::plan::snapshot::Snapshot;
use crate::scope::{Scope, hex};

const FORMAT: &str = "provision plan";
/// The version of the format. It grows when an older program would do something else with the file.
const VERSION: u64 = 1;
/// How many characters of the fingerprint people compare.
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
    /// The id of the live resource.
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
    /// The changes of a plan. Refused ones are among them ([`Saved::refused`] lists them): such a plan cannot be
    /// carried out, so there is nothing to agree on.
    pub fn of(scope: &Scope, plan: &Plan) -> Saved {
        let step = |step: &Step| SavedStep {
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

    /// The content of the file: the plan, and a fingerprint of it.
    pub fn document(&self) -> Value {
        let mut document = json!({"format": FORMAT, "version": VERSION, "plan": self});
        document["hash"] = fingerprint(&document).into();
        document
    }

    /// The fingerprint in short. The same plan always has the same one.
    pub fn hash(&self) -> String {
        let document = json!({"format": FORMAT, "version": VERSION, "plan": self});
        fingerprint(&document)[..SHORT].to_owned()
    }

    /// Reads a plan from the text of a file. The error says why it cannot be used.
    pub fn read(text: &str) -> Result<Saved, String> {
        let mut document: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        if document["format"] != FORMAT {
            return Err("it is not a plan that `provision plan --out` has written".to_owned());
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

    /// The resources that cannot be made, because their names are taken.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.steps.iter().filter(|step| step.action == Action::Refuse);
        refused.map(|step| format!("{} {}", step.kind, step.name)).collect()
    }

    /// A resource of a kind that is not in this registry: the plan was made for another place.
    pub fn stranger(&self, registry: Registry) -> Option<String> {
        let strange = self.steps.iter().find(|step| (registry.find)(&step.kind).is_none());
        strange.map(|step| format!("{} {}", step.kind, step.name))
    }

    /// Whether the plan touches the resource.
    pub fn touches(&self, address: &Address) -> bool {
        self.steps.iter().any(|step| step.is(address))
    }

    /// Compares with a plan that was made now for the same resources. Returns the differences because of which this
    /// plan may not be carried out. There are none if the new one does what was shown and nothing else.
    pub fn compare(&self, now: &Plan, snapshot: &Snapshot, registry: Registry) -> Vec<Moved> {
        let mut moved = Vec::new();
        for saved in &self.steps {
            let Some(kind) = (registry.find)(&saved.kind) else {
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

    /// What is different now and stops this step. `None` if nothing does.
    fn moved(&self, now: Option<&Step>, live: Option<&AnyLive>) -> Option<String> {
        let Some(now) = now else {
            return match self.action {
                // The resource is gone already: somebody did what the plan says.
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
            // A run that was cut off has made the resource, but not finished it. The plan has shown the changes that
            // are left.
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
                let why = changes.iter().find(|change| change.effect == crate::kind::facts::Effect::Replace);
                let field = why.map_or("", |change| change.path.as_str());
                Some(format!("it has to be replaced now, because of `{field}`, and the plan showed no replacement"))
            }
            (Action::Update { changes } | Action::Replace { changes }, _) => {
                self.another(now).or_else(|| fields(changes, now.action.changes(), live))
            }
            _ => None,
        }
    }

    fn another(&self, now: &Step) -> Option<String> {
        let changes = !matches!(now.action, Action::Keep) && self.id != now.id;
        changes.then(|| {
            let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "nothing".to_owned());
            format!("it was {} when the plan was made, and is {} now", name(&self.id), name(&now.id))
        })
    }
}

/// The first field that is not as the plan has it, in words.
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
    // A field that needs no change any more either has its new value already, or the stack file asks for something
    // else.
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

/// Whether a value is as the plan showed it. A value that was not known then may be anything now.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Status;
    use crate::kind::facts::Effect;
    use crate::kind::json::Json;
    use crate::kind::owner::Owner;
    use crate::kinds::sqs::Queue;

    fn address() -> Address {
        Address { kind: "sqs.queue", name: "work".to_owned() }
    }

    fn plan(action: Action, id: Option<&str>) -> Plan {
        let (address, section, id) = (address(), "queues.work".to_owned(), id.map(str::to_owned));
        Plan {
            steps: vec![Step {
                address,
                kind: &Queue,
                section,
                id,
                action,
                loses_data: false,
                loss: None,
                busy: None,
                on: None,
            }],
        }
    }

    fn change(path: &str, from: i32, to: i32, effect: Effect) -> Change {
        Change { path: path.to_owned(), from: from.into(), to: to.into(), effect }
    }

    fn update(from: i32, to: i32) -> Action {
        Action::Update { changes: vec![change("delay", from, to, Effect::InPlace)] }
    }

    fn create(delay: &str) -> Action {
        Action::Create { want: Json::of(&json!({"name": "work", "delay": delay})) }
    }

    fn saved(action: Action, id: Option<&str>) -> Saved {
        let name = |text: &str| text.to_owned();
        let tags = Default::default();
        let scope = Scope { account: name("1"), region: name("r"), stack: name("s"), env: name("e"), tags };
        Saved::of(&scope, &plan(action, id))
    }

    /// What stops the plan `then`, when a plan made now is `now` and the live state is `live`.
    fn stops(then: (Action, Option<&str>), now: Option<(Action, Option<&str>)>, live: Value) -> String {
        let mut snapshot = Snapshot::default();
        let (id, owner, status, state) = ("a".to_owned(), Owner::Child, Status::Ready, Json::of(&live));
        let live = AnyLive { address: address(), id, owner, output: state.clone(), state, ready: None, status };
        snapshot.live.insert(address(), live);
        let now = now.map_or_else(Plan::default, |(action, id)| plan(action, id));
        let moved = saved(then.0, then.1).compare(&now, &snapshot, crate::kinds::REGISTRY);
        moved.into_iter().map(|moved| moved.how).collect()
    }

    #[test]
    fn what_was_not_shown_is_not_done() {
        let replace = || Action::Replace { changes: vec![change("name", 1, 2, Effect::Replace)] };
        let (a, b) = (Some("a"), Some("b"));
        let delay = |delay: i32| json!({"delay": delay});
        let told = [
            stops((update(1, 2), a), Some((replace(), a)), delay(1)),
            stops((update(1, 2), a), Some((update(1, 2), b)), delay(1)),
            stops((update(1, 2), a), Some((create("x"), None)), delay(1)),
            stops((update(1, 2), a), Some((Action::Delete, a)), delay(1)),
            stops((update(1, 2), a), Some((Action::Keep, a)), delay(1)),
            stops((update(1, 2), a), Some((Action::Refuse, a)), delay(1)),
            stops((update(1, 2), a), None, delay(1)),
            stops((create("x"), None), Some((create("y"), None)), delay(1)),
            stops((create("x"), None), Some((replace(), a)), delay(1)),
            stops((create("x"), None), Some((update(7, 8), a)), delay(7)),
            stops((Action::Delete, a), Some((Action::Delete, b)), delay(1)),
            stops((Action::Delete, a), Some((Action::Keep, a)), delay(1)),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        it has to be replaced now, because of `name`, and the plan showed no replacement
        it was a when the plan was made, and is b now
        it is gone: the plan would create it, and showed no such thing
        the stack file does not ask for it any more
        the plan changes `delay` to 2, and the stack file does not ask for that any more
        its name is taken by something that this stack did not make
        the stack file does not ask for it any more
        `delay` becomes "x" in the plan, and "y" by the stack file as it is now
        it is there by now, and would have to be replaced
        it is there by now, and its `delay` is 7
        it was a when the plan was made, and is b now
        the plan deletes it, and the stack file asks for it again
        "#);
    }

    #[test]
    fn what_is_done_already_or_was_not_known_stops_nothing() {
        let a = Some("a");
        let unknown = || create("(known after sqs.queue other)");
        let half =
            Action::Update { changes: vec![Change { to: "x".into(), ..change("delay", 0, 0, Effect::InPlace) }] };
        for (then, now, delay) in [
            ((update(1, 2), a), Some((update(1, 2), a)), 1),
            ((update(1, 2), a), Some((Action::Keep, a)), 2),
            ((create("x"), None), Some((Action::Keep, a)), 2),
            ((create("x"), None), Some((half, a)), 2),
            ((unknown(), None), Some((create("https://other"), None)), 2),
            ((Action::Delete, a), None, 2),
            ((Action::Delete, a), Some((Action::Delete, a)), 2),
        ] {
            let told = format!("{then:?} {now:?}");
            assert_eq!(stops(then, now, json!({"delay": delay})), "", "{told}");
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written_or_not_at_all() {
        let saved = saved(update(1, 2), Some("a"));
        let text = saved.document().to_string();
        assert_eq!(Saved::read(&text), Ok(saved.clone()));
        assert_eq!(saved.document()["hash"].as_str().map(|hash| hash.starts_with(&saved.hash())), Some(true));
        for (from, to) in [("\"to\":2", "\"to\":3"), ("\"e\"", "\"f\""), ("\"section\"", "\"more\":1,\"section\"")] {
            let lies = text.replace(from, to);
            assert_ne!(lies, text);
            assert!(Saved::read(&lies).expect_err("refused").starts_with("it was changed"), "{lies}");
        }
        for other in ["", "{}", "[]", "{\"format\":\"provision plan\"}"] {
            assert!(Saved::read(other).is_err(), "{other}");
        }
    }
}
