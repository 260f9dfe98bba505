//! A plan for a part of the stack: of what was chosen, and nothing else.

use super::{Action, Plan, Status, publish_placeholders, removals, step};
use crate::desired::Desired;
use crate::kind::Address;
use crate::scope::Scope;
use crate::snapshot::Snapshot;

/// What was chosen needs something that was not, and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub user: Address,
    pub needs: Address,
}

impl Plan {
    /// From what is live to what is wanted, for what `chosen` says by section and address. The rest stays as it is.
    pub fn part(
        scope: &Scope,
        desired: &Desired,
        snapshot: &Snapshot,
        chosen: &dyn Fn(&str, &Address) -> bool,
    ) -> (Plan, Vec<Lack>) {
        let mut board = snapshot.board();
        let mut steps = Vec::new();
        let mut absent = Vec::new();
        let mut lacks = Vec::new();
        for wanted in desired.in_order() {
            let live = snapshot.live.get(&wanted.address).filter(|live| live.status != Status::Deleting);
            if !chosen(&wanted.section, &wanted.address) {
                publish_placeholders(wanted, live, &mut board);
                if live.is_none_or(|live| !live.owner.is_ours()) {
                    absent.push(&wanted.address);
                }
                continue;
            }
            let step = step(scope, wanted, live, &mut board);
            if step.action != Action::Keep {
                let lacking = wanted.refers_to.iter().filter(|needs| absent.contains(needs));
                lacks.extend(lacking.map(|needs| Lack { user: wanted.address.clone(), needs: needs.clone() }));
            }
            steps.push(step);
        }
        steps.sort_by_cached_key(|step| desired.place(&step.address));
        steps.extend(removals(desired, snapshot).filter(|step| chosen(&step.section, &step.address)));
        (Plan { steps }, lacks)
    }
}
