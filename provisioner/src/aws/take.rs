//! Reads what is live: one batched read per kind, all kinds at once, and parents before the children that are found
//! through them.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::{Cx, Error, Look, Proof};
use crate::kind::Late;
use crate::kind::board::Board;
use crate::kind::json::Json;
use crate::kinds::KINDS;
use crate::kinds::on_aws::AnyOnAws;
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// Takes a snapshot of everything. Its error lists every kind that could not be read.
pub async fn take(cx: &Cx, desired: &Desired, proof: Proof) -> Result<Snapshot, Vec<(String, Error)>> {
    let mut wanted: BTreeMap<&str, Vec<(String, Json)>> = BTreeMap::new();
    for resource in desired.resources() {
        wanted.entry(resource.address.kind).or_default().push((resource.address.name.clone(), resource.spec.clone()));
    }
    let look = &Look::new(proof);
    let mut snapshot = Snapshot::default();
    let mut waiting: Vec<&'static dyn AnyOnAws> = KINDS.to_vec();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut reading = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        let (now, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|kind| kind.facts().read_after.iter().all(|parent| done.contains(parent)));
        waiting = later;
        for kind in now {
            // Most kinds need no outputs of others for their reads.
            let board = if kind.facts().read_after.is_empty() { Board::default() } else { snapshot.board() };
            let specs = wanted.remove(kind.facts().name).unwrap_or_default();
            reading.push(async move {
                let result = kind.read(cx, &specs, &board.outputs(Late::MayBeAbsent), look).await;
                (kind, specs.is_empty(), result)
            });
        }
        let Some((kind, unused, result)) = reading.next().await else {
            break;
        };
        let name = kind.facts().name;
        done.insert(name);
        match result {
            Ok(live) => snapshot.live.extend(live.into_iter().map(|live| (live.address.clone(), live))),
            Err(error) if error.is_denied() && unused => snapshot.unread.push(name),
            Err(error) => failures.push((format!("reading {name}"), error)),
        }
    }
    if failures.is_empty() { Ok(snapshot) } else { Err(failures) }
}
