//! Where resources publish their outputs, and the view of it that a kind's `want` gets.
//!
//! Outputs come in two parts: what is known when the resource exists, and what is known only when it is ready. Which one a
//! kind asks for decides how long it waits; nobody writes waits on edges.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::json::Json;
use crate::kind::{Address, Facts, Kind, Ref};

#[derive(Clone, Debug, Default)]
pub struct Board {
    entries: BTreeMap<Address, Published>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub output: Json,
    pub ready: Option<Json>,
}

impl Board {
    pub fn publish(&mut self, address: &Address, published: Published) {
        self.entries.insert(address.clone(), published);
    }

    pub fn withdraw(&mut self, address: &Address) {
        self.entries.remove(address);
    }

    pub fn get(&self, address: &Address) -> Option<&Published> {
        self.entries.get(address)
    }

    /// A copy for reads of a kind that run beside what publishes. Most kinds use no outputs of others for that.
    pub fn for_reads(&self, facts: &Facts) -> Board {
        if facts.read_after.is_empty() { Board::default() } else { self.clone() }
    }

    /// The view for one resource.
    pub fn outputs(&self, late: Late) -> Outputs<'_> {
        Outputs { board: self, late, looked_up: Mutex::default() }
    }
}

/// What a `want` that asks for something [`Outputs::late`] gets while it is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nothing: the first version is made without it, and a second one when it is there.
    MayBeAbsent,
    /// It waits: what serves already is not restarted twice.
    IsAwaited,
}

/// Something that a resource needs and that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub on: Address,
}

pub struct Outputs<'a> {
    board: &'a Board,
    late: Late,
    looked_up: Mutex<LookedUp>,
}

/// What a `want` asked for, so that the engine knows when to ask it again.
#[derive(Clone, Debug, Default)]
pub struct LookedUp {
    /// What it did without, for now.
    pub without: Vec<Address>,
}

impl Outputs<'_> {
    /// What is known once it exists.
    pub fn get<K: Kind>(&self, reference: &Ref<K>) -> Result<K::Output, Missing> {
        let address = address(reference);
        match self.board.get(&address) {
            Some(published) => Ok(typed(&published.output)),
            None => Err(Missing { on: address }),
        }
    }

    /// What is known of each once it exists.
    pub fn of_each<K: Kind, T, C: FromIterator<T>>(
        &self,
        references: &[Ref<K>],
        pick: fn(K::Output) -> T,
    ) -> Result<C, Missing> {
        references.iter().map(|reference| Ok(pick(self.get(reference)?))).collect()
    }

    /// What is known once it is ready.
    pub fn ready<K: Kind>(&self, reference: &Ref<K>) -> Result<K::Ready, Missing> {
        let address = address(reference);
        match self.board.get(&address).and_then(|published| published.ready.as_ref()) {
            Some(ready) => Ok(typed(ready)),
            None => Err(Missing { on: address }),
        }
    }

    /// What is known once it is ready, for those who can start without it.
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

    /// Everything of a kind that is there, wanted or not. For `read`, whose children hang on parents.
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

fn address<K: Kind>(reference: &Ref<K>) -> Address {
    Address { kind: K::FACTS.name, name: reference.name.clone() }
}

fn typed<T: serde::de::DeserializeOwned>(value: &Json) -> T {
    value.read().expect("published by the kind itself")
}
