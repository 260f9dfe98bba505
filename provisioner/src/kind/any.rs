//! [`Kind`] with its types erased, so that kinds of all types fit into one list. The erasing is written once. It
//! decides nothing.

use std::fmt;

use serde_json::Value;

use crate::kind::facts::{Address, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Kind, Missing, Outputs, Status};
use crate::scope::Scope;

/// [`Live`](crate::kind::Live) with its types erased.
#[derive(Clone, Debug)]
pub struct AnyLive {
    pub address: Address,
    pub id: String,
    pub owner: Owner,
    pub state: Json,
    pub output: Json,
    pub ready: Option<Json>,
    pub status: Status,
}

/// [`Kind`] with its types erased.
pub trait AnyKind: Send + Sync {
    fn facts(&self) -> &'static Facts;
    /// The names of the fields of `State`, for the registry's tests.
    fn state_fields(&self) -> Vec<String>;
    /// An output and a ready part that are empty. The plan makes placeholders from them.
    fn blank(&self) -> (Value, Value);
    fn want(&self, scope: &Scope, name: &str, spec: &Json, outputs: &Outputs) -> Result<Json, Missing>;
    fn patience(&self, spec: &Json) -> u32;
    fn serves(&self, spec: &Json) -> bool;
}

impl<K: Kind> AnyKind for K {
    fn facts(&self) -> &'static Facts {
        const { &K::FACTS }
    }

    fn state_fields(&self) -> Vec<String> {
        match Json::of(&K::State::default()).tree() {
            Value::Object(map) => map.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn blank(&self) -> (Value, Value) {
        (Json::of(&K::Output::default()).tree(), Json::of(&K::Ready::default()).tree())
    }

    fn want(&self, scope: &Scope, name: &str, spec: &Json, outputs: &Outputs) -> Result<Json, Missing> {
        let spec: K::Spec = spec.read().expect("expand writes specs of the kind's own type");
        Ok(Json::of(&K::want(scope, name, &spec, outputs)?))
    }

    fn patience(&self, spec: &Json) -> u32 {
        spec.read::<K::Spec>().map_or(0, |spec| K::patience(&spec))
    }

    fn serves(&self, spec: &Json) -> bool {
        K::FACTS.serves && spec.read::<K::Spec>().is_ok_and(|spec| K::serves(&spec))
    }
}

impl fmt::Debug for dyn AnyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

/// The kinds that a stack can become.
#[derive(Clone, Copy)]
pub struct Registry {
    pub find: fn(&str) -> Option<&'static dyn AnyKind>,
    /// The place of a kind in the registry: a kind stands before the kinds that use it.
    pub position: fn(&str) -> usize,
    /// The section of the stack file that must have asked for a resource which nothing asks for any more.
    pub owner_of: fn(&AnyLive) -> String,
}
