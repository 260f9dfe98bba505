//! `provision down`: removes the stack, and proves that nothing is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::run;
use super::session::{Session, open, take};
use crate::aws::Proof;
use crate::commands::document::PLAN_VERSION;
use crate::commands::failure::{Exit, Failure};
use crate::commands::guards::is_called;
use crate::commands::options::{DataFlags, Global};
use crate::commands::{agree, render};
use crate::engine::{self, Work};
use crate::kind::Status;
use crate::kind::facts::Address;
use crate::kinds::on_aws::LastWish;
use crate::kinds::{self, KINDS};
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan};
use crate::printer::Printer;
use crate::review::sources::Sources;
use crate::review::{Against, Review};

pub(crate) async fn down(file: &Path, global: &Global, data: &DataFlags, printer: Printer) -> Result<Exit, Failure> {
    let session = open(file, global).await?;
    run::greet(&session, "taking down", printer);
    let work = |unclean| with_lease(&session, global, data, unclean, printer);
    run::under_lease(&session, global, work, printer).await
}

/// What happens to the data.
struct Fate {
    keep: BTreeSet<Address>,
    last_wish: LastWish,
    lift_protection: bool,
}

async fn with_lease(
    session: &Session,
    global: &Global,
    data: &DataFlags,
    unclean: bool,
    printer: Printer,
) -> Result<Exit, Failure> {
    let snapshot = run::take_carefully(session, unclean, printer).await?;
    let fate = fate(session, &snapshot, data, printer)?;
    let plan = Plan::removal(&session.expanded.desired, &snapshot, &fate.keep);
    let review = Review::new(&session.cx.scope, &plan, &session.expanded.desired, &Sources::default(), Against::Aws);
    render::text(&review, "", printer).iter().for_each(|line| printer.talk(line));
    if !plan.is_empty() {
        agree(global, "Delete all this? [y/N]", printer)?;
    }
    let unprotect = if fate.lift_protection { protected_by_file(session, &snapshot)? } else { BTreeSet::new() };
    let work = Work {
        kinds: KINDS,
        desired: &session.expanded.desired,
        plan: &plan,
        snapshot: &snapshot,
        unclean,
        last_wish: fate.last_wish,
        unprotect,
    };
    let report = engine::apply(&session.cx, &work, &mut run::progress(printer)).await;
    run::explain(&report, printer);
    let left = match report.failed() {
        true => Vec::new(),
        false => sweep(session, &fate.keep, printer).await?,
    };
    if global.json {
        let kept: Vec<String> = plan
            .steps
            .iter()
            .filter(|step| step.action == Action::Retain)
            .map(|step| step.address.to_string())
            .collect();
        printer.data(json!({
            "version": PLAN_VERSION,
            "stack": session.cx.scope.stack, "env": session.cx.scope.env,
            "outcomes": run::outcomes(&report), "kept": kept, "left": left, "seconds": report.seconds,
        }));
    }
    match run::exit(&report) {
        Exit::Done if left.is_empty() => {
            printer.talk(format!(
                "{}: nothing is left{}",
                printer.green("done"),
                if fate.keep.is_empty() { "" } else { " but what is kept" }
            ));
            Ok(Exit::Done)
        }
        Exit::Done => Err(Failure::of(format!("left over: {}", left.join(", "))).hint("run `down` again")),
        exit => Ok(exit),
    }
}

/// Finds out from the flags, or from the user, what happens to the data. Asks only if there is data.
fn fate(session: &Session, snapshot: &Snapshot, flags: &DataFlags, printer: Printer) -> Result<Fate, Failure> {
    let holders: Vec<&Address> = snapshot
        .live
        .values()
        .filter(|live| live.owner.is_ours() && live.status != Status::Deleting)
        .filter(|live| kinds::find(live.address.kind).is_some_and(|kind| kind.facts().holds_data))
        .map(|live| &live.address)
        .collect();
    let discard = |keep| Fate { keep, last_wish: LastWish::Discard, lift_protection: true };
    if holders.is_empty() {
        return Ok(discard(BTreeSet::new()));
    }
    let all: BTreeSet<Address> = holders.iter().map(|address| (*address).clone()).collect();
    if flags.keep_data {
        return Ok(discard(closure(session, snapshot, &all)));
    }
    let snapshot_all = || {
        let cannot = |address: &&Address| kinds::find(address.kind).is_some_and(|kind| kind.facts().no_last_snapshot);
        let kept: BTreeSet<Address> = all.iter().filter(cannot).cloned().collect();
        if !kept.is_empty() {
            printer.talk(format!(
                "kept, because AWS takes no last snapshot of it: {}",
                list(&kept.iter().collect::<Vec<_>>())
            ));
        }
        Fate { keep: closure(session, snapshot, &kept), last_wish: LastWish::Snapshot, lift_protection: true }
    };
    if flags.snapshot_data {
        return Ok(snapshot_all());
    }
    if let Some(names) = &flags.delete_data {
        if names.iter().any(|name| name == "*") {
            return Ok(discard(BTreeSet::new()));
        }
        if let Some(unknown) = names.iter().find(|name| !all.iter().any(|address| is_called(address, name))) {
            return Err(Failure::usage(format!("--delete-data={unknown}: nothing that holds data has this name"))
                .hint(format!("there are: {}", list(&holders))));
        }
        let kept = all.iter().filter(|address| !names.iter().any(|name| is_called(address, name))).cloned().collect();
        return Ok(discard(closure(session, snapshot, &kept)));
    }
    printer.talk(format!("These hold data: {}", list(&holders)));
    match printer.ask("[k]eep the data, take a last [s]napshot, or [d]elete it?").as_deref() {
        Some("k") => Ok(discard(closure(session, snapshot, &all))),
        Some("s") => Ok(snapshot_all()),
        Some("d") => Ok(discard(BTreeSet::new())),
        Some(_) => Err(Failure::declined()),
        None => {
            Err(Failure::usage("what shall become of the data?")
                .hint("give --keep-data, --snapshot-data or --delete-data"))
        }
    }
}

fn list(addresses: &[&Address]) -> String {
    addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
}

/// These resources, and all that they stand on.
fn closure(session: &Session, snapshot: &Snapshot, kept: &BTreeSet<Address>) -> BTreeSet<Address> {
    let edges = session.expanded.desired.edges();
    let mut all = BTreeSet::new();
    let mut open: Vec<Address> = kept.iter().cloned().collect();
    while let Some(address) = open.pop() {
        if all.insert(address.clone()) {
            open.extend(edges.get(&address).into_iter().flatten().map(|used| (*used).clone()));
        }
    }
    all.retain(|address| snapshot.live.contains_key(address));
    all
}

/// The resources whose protection is lifted, because the stack file asked for it. Protection that somebody set by hand
/// stops the run.
fn protected_by_file(session: &Session, snapshot: &Snapshot) -> Result<BTreeSet<Address>, Failure> {
    let board = snapshot.board();
    let mut lifted = BTreeSet::new();
    let mut by_hand = Vec::new();
    for live in snapshot.live.values() {
        let Some(kind) = kinds::find(live.address.kind) else {
            continue;
        };
        let Some(field) = kind.facts().protection else {
            continue;
        };
        if live.state.get(field) != json!(true) || !live.owner.is_ours() {
            continue;
        }
        let wanted = session.expanded.desired.get(&live.address);
        let want = wanted.and_then(|wanted| {
            kind.want(
                &session.cx.scope,
                &wanted.address.name,
                &wanted.spec,
                &board.outputs(crate::kind::Late::MayBeAbsent),
            )
            .ok()
        });
        // If the stack file no longer has the resource, nobody can know who asked for its protection. So it counts as
        // the file's.
        match want {
            Some(want) if want.get(field) == json!(false) => {
                let what = format!(
                    "{} is protected against deletion, and the stack file does not say so: somebody set it by hand",
                    live.address
                );
                by_hand.push((what, Some(format!("remove the protection of {} by hand if it may go", live.id))));
            }
            _ => {
                lifted.insert(live.address.clone());
            }
        }
    }
    if by_hand.is_empty() { Ok(lifted) } else { Err(Failure::errors(by_hand)) }
}

/// Looks whether anything is left that is live, ours and not kept. Waits for resources that are still being deleted.
async fn sweep(session: &Session, keep: &BTreeSet<Address>, printer: Printer) -> Result<Vec<String>, Failure> {
    let started = Instant::now();
    loop {
        let snapshot = take(session, Proof::Service, printer).await?;
        let left: Vec<String> = snapshot
            .live
            .values()
            .filter(|live| live.owner.is_ours() && live.status != Status::Deleting && !keep.contains(&live.address))
            .map(|live| format!("{} ({})", live.address, live.id))
            .collect();
        if left.is_empty() || session.cx.clock.is_over(started, 60.0) {
            return Ok(left);
        }
        session.cx.clock.sleep(3.0).await;
    }
}
