//! The time of the first `up` of whole stacks, with the real kinds on a cloud that only has their durations. It is hardly
//! longer than the critical path: what AWS itself takes, if nothing waits for longer than it has to.
//!
//! The rate limits of AWS are not part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::fakes::context;
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look};
use crate::engine::{Work, apply};
use crate::image::Digests;
use crate::kind::any::{AnyKind, AnyLive};
use crate::kind::board::{Board, Published};
use crate::kind::facts::{Address, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Late, Missing, Outputs, Status};
use crate::kinds::KINDS;
use crate::kinds::on_aws::{AnyOnAws, Changed, LastWish};
use crate::plan::Plan;
use crate::plan::desired::{Desired, Wanted};
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;
use crate::sections::aws::expand;
use crate::sections::load::load;
use crate::wait::Clock;

/// How much longer than the critical path the first `up` may take.
const MOST: f64 = 1.05;
/// Simulated seconds per second. The engine looks at most once in 20 ms, so a higher scale would measure that.
const SCALE: f64 = 50.0;
/// The simulated seconds of one call.
const CALL: f64 = 0.2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_up_of_the_shop_takes_hardly_longer_than_its_critical_path() {
    tokio::join!(measured("msa-study", "dev"), measured("msa-study", "prod"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_up_of_sendy_takes_hardly_longer_than_its_critical_path() {
    tokio::join!(measured("sendy", "dev"), measured("sendy", "prod"));
}

/// Measures the first `up` of a stack. On a busy machine the best of three runs counts: chance only makes it longer.
async fn measured(stack: &str, env: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../stacks/{stack}.yaml"));
    let loaded = load(&std::fs::read_to_string(file).expect("the stack"), env).expect("no problems");
    let scope = Scope::of(&loaded, "123456789012".into(), "ap-northeast-2".into());
    let desired = expand(&loaded, &scope, &Digests::default()).desired;
    let shortest = critical_path(&scope, &desired);
    // A path of one resource would be no test of the order.
    let longest = desired.resources().iter().map(|wanted| wanted.kind.facts().seconds.create).max().expect("resources");
    assert!(shortest > f64::from(longest) && longest > 60, "{shortest} s, and {longest} s for one resource");
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        best = best.min(first_up(&scope, &desired).await);
        if best <= MOST * shortest {
            // It cannot be shorter either. Then the path would be wrong.
            assert!(best >= shortest, "{stack} {env}: {best:.0} s, and the critical path is {shortest:.0} s");
            return;
        }
    }
    panic!("{stack} {env}: {best:.0} s, and the critical path is {shortest:.0} s");
}

/// The simulated seconds of the first `up`.
async fn first_up(scope: &Scope, desired: &Desired) -> f64 {
    let cx = context(Clock::new(SCALE), scope.clone()).await;
    let timed = |kind: &&'static dyn AnyOnAws| -> &'static dyn AnyOnAws {
        // The engine wants kinds that live as long as the process.
        Box::leak(Box::new(Timed { kind: *kind, things: Mutex::default() }))
    };
    let kinds: &'static [&'static dyn AnyOnAws] = KINDS.iter().map(timed).collect::<Vec<_>>().leak();
    let snapshot = Snapshot::default();
    let plan = Plan::new(scope, desired, &snapshot);
    let (last_wish, unprotect) = (LastWish::Discard, BTreeSet::new());
    let work = Work { kinds, desired, plan: &plan, snapshot: &snapshot, unclean: false, last_wish, unprotect };
    let report = apply(&cx, &work, &mut |_| {}).await;
    let bad: Vec<_> = report.outcomes.iter().filter(|outcome| !outcome.result.is_good()).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(report.outcomes.len(), desired.resources().len());
    report.seconds * SCALE
}

/// The shortest time in which AWS can be done: each resource begins as soon as the outputs that it needs are known, and
/// calls take no time. An output that may come late costs another change, and so does one that moves by that.
fn critical_path(scope: &Scope, desired: &Desired) -> f64 {
    let (mut known, mut ready, mut moved) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for wanted in desired.in_order() {
        let facts = wanted.kind.facts();
        let (mut begins, mut again) = (0, Vec::new());
        for other in &wanted.refers_to {
            match needs(scope, desired, wanted, other) {
                Needs::Known => begins = begins.max(known[other]),
                Needs::Ready => begins = begins.max(ready[other]),
                Needs::ReadyLater => again.push(ready[other]),
            }
            again.extend(moved.get(other));
        }
        let first = begins + facts.seconds.create;
        let done = again.iter().fold(first, |done, later| done.max(*later))
            + if again.is_empty() { 0 } else { facts.seconds.update };
        known.insert(&wanted.address, begins);
        ready.insert(&wanted.address, done);
        if facts.update_moves_output && !again.is_empty() {
            moved.insert(&wanted.address, done);
        }
    }
    ready.into_values().max().unwrap_or_default().into()
}

/// What a resource needs of another one that it uses.
enum Needs {
    /// The part of the output that is known when the other one exists.
    Known,
    Ready,
    /// The part that is known when the other one is ready. Until then the resource does without it.
    ReadyLater,
}

fn needs(scope: &Scope, desired: &Desired, wanted: &Wanted, other: &Address) -> Needs {
    let with = |is_ready: bool| {
        let mut board = Board::default();
        for address in &wanted.refers_to {
            let (output, ready) = desired.get(address).expect("it is wanted").kind.blank();
            let ready = (is_ready || address != other).then(|| Json::of(&ready));
            board.publish(address, Published { output: Json::of(&output), ready });
        }
        wanted.kind.want(scope, &wanted.address.name, &wanted.spec, &board.outputs(Late::MayBeAbsent))
    };
    match (with(false), with(true)) {
        (Err(_), _) => Needs::Ready,
        (Ok(without), Ok(with)) if without != with => Needs::ReadyLater,
        _ => Needs::Known,
    }
}

/// A kind whose resources take the time that they take on AWS, and are nothing else.
struct Timed {
    kind: &'static dyn AnyOnAws,
    things: Mutex<BTreeMap<String, Thing>>,
}

struct Thing {
    state: Json,
    busy_since: Instant,
    busy_for: u32,
}

impl Timed {
    fn put(&self, name: &str, state: &Json, busy_for: u32) {
        let thing = Thing { state: state.clone(), busy_since: Instant::now(), busy_for };
        self.things.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), thing);
    }

    fn live(&self, clock: Clock, name: &str, thing: &Thing) -> AnyLive {
        let (output, ready) = self.kind.blank();
        let is_busy = clock.since(thing.busy_since) < f64::from(thing.busy_for);
        AnyLive {
            address: Address { kind: self.kind.facts().name, name: name.to_owned() },
            id: name.to_owned(),
            owner: Owner::Tagged(BTreeMap::new()),
            state: thing.state.clone(),
            output: Json::of(&output),
            ready: (!is_busy).then(|| Json::of(&ready)),
            status: if is_busy { Status::Busy("creating".to_owned()) } else { Status::Ready },
        }
    }
}

impl AnyKind for Timed {
    fn facts(&self) -> &'static Facts {
        self.kind.facts()
    }

    fn state_fields(&self) -> Vec<String> {
        self.kind.state_fields()
    }

    fn blank(&self) -> (Value, Value) {
        self.kind.blank()
    }

    fn want(&self, scope: &Scope, name: &str, spec: &Json, outputs: &Outputs) -> Result<Json, Missing> {
        self.kind.want(scope, name, spec, outputs)
    }

    fn patience(&self, spec: &Json) -> u32 {
        self.kind.patience(spec)
    }

    fn serves(&self, spec: &Json) -> bool {
        self.kind.serves(spec)
    }
}

impl AnyOnAws for Timed {
    fn read<'a>(
        &'a self,
        cx: &'a Cx,
        _: &'a [(String, Json)],
        _: &'a Outputs<'a>,
        _: &'a Look,
    ) -> BoxFuture<'a, Result<Vec<AnyLive>, Error>> {
        Box::pin(async move {
            cx.clock.sleep(CALL).await;
            let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(things.iter().map(|(name, thing)| self.live(cx.clock, name, thing)).collect())
        })
    }

    fn create<'a>(&'a self, cx: &'a Cx, name: &'a str, want: &'a Json) -> BoxFuture<'a, Result<Json, Error>> {
        Box::pin(async move {
            cx.clock.sleep(CALL).await;
            self.put(name, want, self.kind.facts().seconds.create);
            Ok(Json::of(&self.kind.blank().0))
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        live: &'a AnyLive,
        want: &'a Json,
        _: &'a Changed,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            cx.clock.sleep(CALL).await;
            self.put(&live.address.name, want, self.kind.facts().seconds.update);
            Ok(())
        })
    }

    fn delete<'a>(&'a self, _: &'a Cx, live: &'a AnyLive, _: LastWish) -> BoxFuture<'a, Result<(), Error>> {
        panic!("the first `up` deletes {}", live.address)
    }

    fn unprotect<'a>(&'a self, _: &'a Cx, live: &'a AnyLive) -> BoxFuture<'a, Result<(), Error>> {
        panic!("the first `up` unprotects {}", live.address)
    }

    fn explain<'a>(&'a self, _: &'a Cx, _: &'a AnyLive) -> BoxFuture<'a, Evidence> {
        Box::pin(async { Evidence::default() })
    }
}
