//! A snapshot in a file, so that a fork, or a laptop without credentials, can make a plan. It holds what was seen once,
//! which may be out of date. So a plan says how old its snapshot is, and `up` looks for itself.
//!
//! No secret is in the file. No state has one, and values that somebody may have set by hand in an environment are left
//! out.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::image::Digests;
use crate::kind::any::{AnyLive, Registry};
use crate::kind::facts::{Address, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Late, Status};
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;

const FORMAT: &str = "provision snapshot";
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
pub struct Kept {
    pub stack: String,
    pub env: String,
    pub account: String,
    pub region: String,
    /// When the snapshot was taken, in seconds since 1970.
    taken: u64,
    /// The digests of the runtime that was at hand.
    pub digests: Digests,
    live: Vec<KeptLive>,
}

#[derive(Serialize, Deserialize)]
struct KeptLive {
    kind: String,
    name: String,
    id: String,
    ours: bool,
    /// The tags of a resource of ours, if its kind has tags. The tags that say whose it is are left out.
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    /// The kind and the name of our resource, if somebody else has put this one on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<(String, String)>,
    state: Value,
    output: Value,
    ready: Option<Value>,
    status: String,
    word: Option<String>,
}

impl Kept {
    pub fn of(scope: &Scope, desired: &Desired, digests: &Digests, snapshot: &Snapshot) -> Kept {
        let board = snapshot.board();
        let outputs = board.outputs(Late::MayBeAbsent);
        let live = snapshot.live.values().filter_map(|live| {
            let kind = (desired.registry.find)(live.address.kind)?;
            let wanted = desired.get(&live.address);
            let want = wanted.and_then(|one| kind.want(scope, &one.address.name, &one.spec, &outputs).ok());
            let (status, word) = match &live.status {
                Status::Ready => ("ready", None),
                Status::Busy(word) => ("busy", Some(word.clone())),
                Status::Failed(reason) => ("failed", Some(reason.clone())),
                Status::Deleting => ("deleting", None),
            };
            Some(KeptLive {
                kind: live.address.kind.to_owned(),
                name: live.address.name.clone(),
                id: live.id.clone(),
                ours: live.owner.is_ours(),
                tags: match &live.owner {
                    Owner::Tagged(tags) => Some(tags.clone()),
                    _ => None,
                },
                on: match &live.owner {
                    Owner::Beside(on) => Some((on.kind.to_owned(), on.name.clone())),
                    _ => None,
                },
                state: redacted(kind.facts(), live.state.tree(), &want.map(|want| want.tree()).unwrap_or_default()),
                output: live.output.tree(),
                ready: live.ready.as_ref().map(Json::tree),
                status: status.to_owned(),
                word,
            })
        });
        Kept {
            stack: scope.stack.clone(),
            env: scope.env.clone(),
            account: scope.account.clone(),
            region: scope.region.clone(),
            taken: now(),
            digests: digests.clone(),
            live: live.collect(),
        }
    }

    pub fn document(&self) -> Value {
        json!({"format": FORMAT, "version": VERSION, "snapshot": self})
    }

    /// Reads a kept snapshot from the text of a file. The error says why it cannot be used.
    pub fn read(text: &str) -> Result<Kept, String> {
        let mut document: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        if document["format"] != FORMAT {
            return Err("it is not a snapshot that `provision status --snapshot` has written".to_owned());
        }
        match document["version"].as_u64() {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                return Err(format!("it has version {newer}, and this program knows versions up to {VERSION}"));
            }
            _ => return Err("it has no version that was ever written".to_owned()),
        }
        serde_json::from_value(document["snapshot"].take()).map_err(|error| format!("it cannot be understood: {error}"))
    }

    /// The age in seconds.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.taken)
    }

    /// The snapshot, if `registry` knows all kinds in it.
    pub fn snapshot(&self, registry: Registry) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot::default();
        for kept in &self.live {
            let unknown = || format!("it has a {} {}, a kind that this program does not know", kept.kind, kept.name);
            let kind = (registry.find)(&kept.kind).ok_or_else(unknown)?.facts().name;
            let word = || kept.word.clone().unwrap_or_default();
            let live = AnyLive {
                address: Address { kind, name: kept.name.clone() },
                id: kept.id.clone(),
                owner: match (kept.ours, &kept.tags, &kept.on) {
                    (true, Some(tags), _) => Owner::Tagged(tags.clone()),
                    (true, None, Some((kind, name))) => {
                        let kind = (registry.find)(kind).ok_or_else(unknown)?.facts().name;
                        Owner::Beside(Address { kind, name: name.clone() })
                    }
                    (true, None, None) => Owner::Child,
                    (false, ..) => Owner::Foreign,
                },
                state: Json::of(&kept.state),
                output: Json::of(&kept.output),
                ready: kept.ready.as_ref().map(Json::of),
                status: match kept.status.as_str() {
                    "ready" => Status::Ready,
                    "busy" => Status::Busy(word()),
                    "deleting" => Status::Deleting,
                    _ => Status::Failed(word()),
                },
            };
            snapshot.live.insert(live.address.clone(), live);
        }
        Ok(snapshot)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The state without values that may be a secret, unless the stack file itself has the value.
fn redacted(facts: &Facts, mut state: Value, want: &Value) -> Value {
    for field in facts.fields.iter().filter(|field| field.hidden) {
        redact(&mut state[field.name], &want[field.name]);
    }
    state
}

fn redact(value: &mut Value, want: &Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(key, inner)| redact(inner, &want[key.as_str()])),
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(index, inner)| redact(inner, &want[index])),
        Value::Null => {}
        other if *other == *want => {}
        other => *other = "(not shown)".into(),
    }
}
