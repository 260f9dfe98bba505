//! The snapshot: what is live, as the plan gets it.

use std::collections::BTreeMap;

use crate::kinds::any::AnyLive;
use crate::kinds::board::{Board, Published};
use crate::kinds::facts::Address;
use crate::kinds::owner::Owner;

/// The live resources that the stack wants, owns, or whose names are taken by others.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub live: BTreeMap<Address, AnyLive>,
    /// Kinds that we were not allowed to read and that the stack does not use.
    pub unread: Vec<&'static str>,
}

impl Snapshot {
    /// The outputs of everything that we made. What others have put beside it has no children that concern us.
    pub fn board(&self) -> Board {
        let mut board = Board::default();
        for live in self.live.values().filter(|live| matches!(live.owner, Owner::Tagged(_) | Owner::Child)) {
            board.publish(&live.address, Published { output: live.output.clone(), ready: live.ready.clone() });
        }
        board
    }
}
