//! The snapshot: the live resources, as a plan gets them.

use std::collections::BTreeMap;

use crate::kind::any::AnyLive;
use crate::kind::board::{Board, Published};
use crate::kind::facts::Address;
use crate::kind::owner::Owner;

/// The live resources that the stack wants, that it owns, or whose names others have taken.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub live: BTreeMap<Address, AnyLive>,
    /// Kinds that the stack does not use and that the credentials may not read.
    pub unread: Vec<&'static str>,
}

impl Snapshot {
    /// The outputs of everything that this stack made. Resources that others have put beside them have no children that
    /// matter here.
    pub fn board(&self) -> Board {
        let mut board = Board::default();
        for live in self.live.values().filter(|live| matches!(live.owner, Owner::Tagged(_) | Owner::Child)) {
            board.publish(&live.address, Published { output: live.output.clone(), ready: live.ready.clone() });
        }
        board
    }
}
