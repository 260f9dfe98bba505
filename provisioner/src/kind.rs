//! What a kind of resource is.
//!
//! A kind, such as `sqs.queue`, is a unit struct in a file of its own below [`crate::kinds`]. There is no state file: the
//! cloud is the record. So a kind says how to find what was made before, what is wanted now, and how to get from one to
//! the other. Live and wanted are the same type, so the diff is generic.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{Cx, Error, Look};
use crate::board::{Missing, Outputs};
use crate::evidence::Evidence;
use crate::kinds;
pub use crate::kinds::facts::{Class, Effect, Facts, Field, Retry, Seconds};
use crate::scope::Scope;

/// The name of one resource: `sqs.queue work`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Address {
    pub kind: &'static str,
    pub name: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One kind of resource. Implementers write plain `async fn`.
pub trait Kind: Send + Sync + Sized + 'static {
    /// What is constant about this kind.
    const FACTS: Facts;

    /// What [`crate::expand`] says. May hold [`Ref`]s to other resources.
    type Spec: Serialize + DeserializeOwned + Send + Sync;
    /// Every field that we manage, spelled out. Each one is listed with its class in `FACTS.fields`.
    type State: Serialize + DeserializeOwned + Default + Send + Sync;
    /// What others may use as soon as the resource exists: ids, ARNs, URLs.
    type Output: Serialize + DeserializeOwned + Default + Clone + Send + Sync;
    /// What others may use only once it is ready: endpoints. `()` for most.
    type Ready: Serialize + DeserializeOwned + Default + Clone + Send + Sync;

    /// The state we want. Pure: no clock, no network.
    fn want(scope: &Scope, name: &str, spec: &Self::Spec, outputs: &Outputs) -> Result<Self::State, Missing>;

    /// What is live: every wanted one that exists, and every other one that this stack owns. One function serves the
    /// plan, the poller, the hunt for orphans and the proof that something is gone, so batch it as far as the API allows.
    fn read(cx: &Cx, query: &Query<'_, Self>) -> impl Future<Output = Result<Vec<Live<Self>>, Error>> + Send;

    /// Returns as soon as it exists; whether it is ready is for `read` to say.
    fn create(cx: &Cx, name: &str, want: &Self::State) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Changes the fields for which `changed` says so, and no others.
    fn update(
        cx: &Cx,
        live: &Live<Self>,
        want: &Self::State,
        changed: &Changed,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Starts the removal. Succeeds if it is already gone.
    fn delete(cx: &Cx, live: &Live<Self>, last: LastWish) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lifts a protection against deletion that the stack file asked for.
    fn unprotect(_: &Cx, _: &Live<Self>) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Seconds that it may take beyond what is usual, because the stack file says so.
    fn patience(_: &Self::Spec) -> u32 {
        0
    }

    /// Evidence for people when this failed: events, stopped reasons, the last log lines. Best effort.
    fn explain(_: &Cx, _: &Live<Self>) -> impl Future<Output = Evidence> + Send {
        async { Evidence::default() }
    }
}

/// The names of the top-level fields that differ.
#[derive(Clone, Debug, Default)]
pub struct Changed(pub Vec<String>);

impl Changed {
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|name| name == field)
    }

    pub fn any(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.has(field))
    }
}

/// What to do with the data of something that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWish {
    Discard,
    Snapshot,
}

/// What `read` is asked for.
pub struct Query<'a, K: Kind> {
    pub scope: &'a Scope,
    pub wanted: Vec<(String, K::Spec)>,
    /// Outputs of what is live, of the kinds in `read_after`.
    pub outputs: &'a Outputs<'a>,
    pub look: &'a Look,
}

impl<K: Kind> Query<'_, K> {
    /// The names in the stack of what is wanted, by what AWS knows each one as.
    pub fn named(&self, known_as: impl Fn(&str, &K::Spec) -> String) -> HashMap<String, &str> {
        self.wanted.iter().map(|(name, spec)| (known_as(name, spec), name.as_str())).collect()
    }
}

/// A resource as it is.
pub struct Live<K: Kind> {
    pub name: String,
    /// What people look for in the console: the ARN, id or URL.
    pub id: String,
    pub owner: Owner,
    pub state: K::State,
    pub output: K::Output,
    /// `None` while it is not known yet.
    pub ready: Option<K::Ready>,
    pub status: Status,
}

impl<K: Kind<Ready = ()>> Live<K> {
    /// A resource that is ready, of a kind that tells others nothing more then. `whose` is its name and its owner.
    pub fn ready(whose: (String, Owner), id: impl Into<String>, state: K::State, output: K::Output) -> Live<K> {
        let (name, owner) = whose;
        Live { name, id: id.into(), owner, state, output, ready: Some(()), status: Status::Ready }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Carries this stack's tag, and these beside those that say so.
    Tagged(BTreeMap<String, String>),
    /// Belongs to a parent that does, or says so in its own text.
    Child,
    /// Somebody else put it on this resource of ours, where it gives rights, routes or traffic. It is taken away.
    Beside(Address),
    /// Has our name but not our tag. Never touched.
    Foreign,
}

impl Owner {
    pub fn is_ours(&self) -> bool {
        *self != Owner::Foreign
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// On its way, in AWS's own word: `creating`.
    Busy(String),
    /// Waiting will not help.
    Failed(String),
    /// On its way out.
    Deleting,
}

/// A reference to another resource. It names a *resource*; which of its outputs feeds what is picked by the type.
#[derive(Debug)]
pub struct Ref<K> {
    pub name: String,
    kind: PhantomData<fn() -> K>,
}

impl<K> Ref<K> {
    pub fn to(name: impl Into<String>) -> Ref<K> {
        Ref { name: name.into(), kind: PhantomData }
    }
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Ref<K> {
        Ref::to(self.name.clone())
    }
}

/// What a [`Ref`] looks like in a serialized spec. One walk over a spec finds all edges, so none can be forgotten.
#[derive(Serialize, Deserialize)]
struct RefForm {
    #[serde(rename = "$ref")]
    name: String,
    #[serde(rename = "$kind")]
    kind: String,
}

impl<K: Kind> Serialize for Ref<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RefForm { name: self.name.clone(), kind: K::FACTS.name.to_owned() }.serialize(serializer)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Ref<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ref<K>, D::Error> {
        let form = RefForm::deserialize(deserializer)?;
        if form.kind != K::FACTS.name {
            return Err(serde::de::Error::custom(format!(
                "`{}` is a {}, not a {}",
                form.name,
                form.kind,
                K::FACTS.name
            )));
        }
        Ok(Ref::to(form.name))
    }
}

/// All references in a serialized spec.
pub fn references(spec: &Value) -> Vec<Address> {
    let mut found = Vec::new();
    walk(spec, &mut found);
    found.sort();
    found.dedup();
    found.shrink_to_fit();
    found
}

fn walk(value: &Value, found: &mut Vec<Address>) {
    match value {
        Value::Object(map) => match (map.get("$kind"), map.get("$ref")) {
            (Some(Value::String(kind)), Some(Value::String(name))) => {
                let kind = kinds::find(kind).expect("a reference is written by the kind itself").facts().name;
                found.push(Address { kind, name: name.clone() });
            }
            _ => map.values().for_each(|inner| walk(inner, found)),
        },
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
        _ => {}
    }
}
