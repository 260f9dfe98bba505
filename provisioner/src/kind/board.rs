//! The board on which resources publish their outputs.
//!
//! Outputs come in two parts. One part is known when the resource exists. The other part is known only when the
//! resource is ready.

use std::collections::BTreeMap;

use crate::kind::facts::{Address, Facts};
use crate::kind::json::Json;

#[derive(Clone, Debug, Default)]
pub struct Board {
    pub(super) entries: BTreeMap<Address, Published>,
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

    /// A copy of the board for the reads of a kind, which run while others publish. It is empty for most kinds, because
    /// their reads use no outputs of others.
    pub fn for_reads(&self, facts: &Facts) -> Board {
        if facts.read_after.is_empty() { Board::default() } else { self.clone() }
    }
}
