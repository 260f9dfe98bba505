//! The pure part of a kind of resource.
//!
//! A kind, such as `sqs.queue`, is a unit struct in a file of its own below [`crate::kinds`]. There is no state file:
//! the cloud is the record. So the pure part of a kind, here, says which state is wanted now. The calls of a kind, in
//! [`on_aws`](crate::kinds::on_aws), find the resources that were made before, and change them to the wanted state. The
//! live state and the wanted state have the same type, so the diff is generic.

pub mod any;
pub mod board;
pub mod facts;
pub mod json;
pub mod owner;

use std::marker::PhantomData;
use std::sync::Mutex;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::board::Board;
use crate::kind::facts::{Address, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::scope::Scope;

/// The pure part of a kind: it knows neither a network nor a clock. The plan needs only this part.
pub trait Kind: Send + Sync + Sized + 'static {
    /// The constants of the kind.
    const FACTS: Facts;

    /// The spec that a section of the stack file writes. It may hold [`Ref`]s to other resources.
    type Spec: Serialize + DeserializeOwned + Send + Sync;
    /// Every field that we manage, spelled out. Each one is listed with its class in `FACTS.fields`.
    type State: Serialize + DeserializeOwned + Default + Send + Sync;
    /// The outputs that others may use as soon as the resource exists: ids, ARNs, URLs.
    type Output: Serialize + DeserializeOwned + Default + Clone + Send + Sync;
    /// The outputs that others may use only when the resource is ready: endpoints. For most kinds this is `()`.
    type Ready: Serialize + DeserializeOwned + Default + Clone + Send + Sync;

    /// Computes the wanted state. It is pure: no clock, no network.
    fn want(scope: &Scope, name: &str, spec: &Self::Spec, outputs: &Outputs) -> Result<Self::State, Missing>;

    /// The seconds that the resource may take beyond the usual time, because the stack file says so.
    fn patience(_: &Self::Spec) -> u32 {
        0
    }

    /// Whether this resource counts for *serving*, of a kind whose facts say that its resources may.
    fn serves(_: &Self::Spec) -> bool {
        true
    }
}

/// A resource as it is now.
pub struct Live<K: Kind> {
    pub name: String,
    /// The text by which people find the resource in the console: the ARN, id or URL.
    pub id: String,
    pub owner: Owner,
    pub state: K::State,
    pub output: K::Output,
    /// The outputs of the ready resource. `None` while they are not known yet.
    pub ready: Option<K::Ready>,
    pub status: Status,
}

impl<K: Kind<Ready = ()>> Live<K> {
    /// A ready resource of a kind that has no outputs for that moment. `whose` is its name and its owner.
    pub fn ready(whose: (String, Owner), id: impl Into<String>, state: K::State, output: K::Output) -> Live<K> {
        let (name, owner) = whose;
        Live { name, id: id.into(), owner, state, output, ready: Some(()), status: Status::Ready }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// The resource is on its way. The text is AWS's own word, such as `creating`.
    Busy(String),
    /// The resource has failed, and waiting will not help.
    Failed(String),
    /// The resource is on its way out.
    Deleting,
}

/// A reference to another resource. It names a *resource*. The type decides which of its outputs is used.
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

/// The form of a [`Ref`] in a serialized spec. One walk over a spec finds all edges, so none can be forgotten.
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

/// The answer to a `want` that asks for [`Outputs::late`] while the other resource is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The `want` gets nothing. The first version is made without the output, and a second version is made when the
    /// output is there.
    MayBeAbsent,
    /// The `want` waits, so that something that serves already is not restarted twice.
    IsAwaited,
}

/// Something that a resource needs and that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub on: Address,
}

/// The view of the board that a kind's `want` gets. The part of an output that a kind asks for decides how long the
/// kind waits. Nobody writes waits on edges.
pub struct Outputs<'a> {
    board: &'a Board,
    late: Late,
    looked_up: Mutex<LookedUp>,
}

/// The things that a `want` asked for. They tell the engine when to ask it again.
#[derive(Clone, Debug, Default)]
pub struct LookedUp {
    /// The resources whose outputs the `want` did without, for now.
    pub without: Vec<Address>,
}

impl Outputs<'_> {
    /// The outputs of a resource that are known when it exists.
    pub fn get<K: Kind>(&self, reference: &Ref<K>) -> Result<K::Output, Missing> {
        let address = address(reference);
        match self.board.get(&address) {
            Some(published) => Ok(typed(&published.output)),
            None => Err(Missing { on: address }),
        }
    }

    /// One value for each reference, picked from the outputs that are known when the resource exists.
    pub fn of_each<K: Kind, T, C: FromIterator<T>>(
        &self,
        references: &[Ref<K>],
        pick: fn(K::Output) -> T,
    ) -> Result<C, Missing> {
        references.iter().map(|reference| Ok(pick(self.get(reference)?))).collect()
    }

    /// The outputs of a resource that are known only when it is ready.
    pub fn ready<K: Kind>(&self, reference: &Ref<K>) -> Result<K::Ready, Missing> {
        let address = address(reference);
        match self.board.get(&address).and_then(|published| published.ready.as_ref()) {
            Some(ready) => Ok(typed(ready)),
            None => Err(Missing { on: address }),
        }
    }

    /// The outputs of a resource that are known only when it is ready, for kinds that can start without them.
    pub fn late<K: Kind>(&self, reference: &Ref<K>) -> Result<Option<K::Ready>, Missing> {
        match (self.ready(reference), self.late) {
            (Ok(ready), _) => Ok(Some(ready)),
            (Err(missing), Late::IsAwaited) => Err(missing),
            (Err(missing), Late::MayBeAbsent) => {
                self.looked_up.lock().expect("no panic while held").without.push(missing.on);
                Ok(None)
            }
        }
    }

    /// All resources of a kind that exist, wanted or not, each with its outputs. It is for the `read` of a kind whose
    /// resources hang on a parent.
    pub fn all<K: Kind>(&self) -> Vec<(String, K::Output)> {
        self.board
            .entries
            .iter()
            .filter(|(address, _)| address.kind == K::FACTS.name)
            .map(|(address, published)| (address.name.clone(), typed(&published.output)))
            .collect()
    }

    pub fn looked_up(self) -> LookedUp {
        self.looked_up.into_inner().expect("no panic while held")
    }
}

impl Board {
    /// The view of the board for one resource.
    pub fn outputs(&self, late: Late) -> Outputs<'_> {
        Outputs { board: self, late, looked_up: Mutex::default() }
    }
}

/// All references in a serialized spec. `known` takes the name of a kind and gives the same name as a static text.
pub fn references(spec: &Value, known: &dyn Fn(&str) -> &'static str) -> Vec<Address> {
    let mut found = Vec::new();
    walk(spec, known, &mut found);
    found.sort();
    found.dedup();
    found.shrink_to_fit();
    found
}

fn walk(value: &Value, known: &dyn Fn(&str) -> &'static str, found: &mut Vec<Address>) {
    match value {
        Value::Object(map) => match (map.get("$kind"), map.get("$ref")) {
            (Some(Value::String(kind)), Some(Value::String(name))) => {
                found.push(Address { kind: known(kind), name: name.clone() });
            }
            _ => map.values().for_each(|inner| walk(inner, known, found)),
        },
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, known, found)),
        _ => {}
    }
}

fn address<K: Kind>(reference: &Ref<K>) -> Address {
    Address { kind: K::FACTS.name, name: reference.name.clone() }
}

fn typed<T: serde::de::DeserializeOwned>(value: &Json) -> T {
    value.read().expect("published by the kind itself")
}
