//! The engine with fake kinds on a fake cloud: no emulator, no network, and no wait that is longer than some milliseconds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_config::Region;
use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};

use super::{Ending, Report, Work, apply};
use crate::aws::{self, Cx, Error, Look, Proof};
use crate::image::artefacts::Artefacts;
use crate::kinds::any::Registry;
use crate::kinds::board::Board;
use crate::kinds::facts::{Facts, Field, Retry};
use crate::kinds::json::Json;
use crate::kinds::kind::{Kind, Late, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{AnyOnAws, Changed, LastWish, OnAws, Query};
use crate::kinds::owner::Owner;
use crate::plan::Plan;
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;
use crate::wait::Clock;

#[tokio::test]
async fn what_is_used_is_made_before_what_uses_it() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "a", text("1"));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a", "create plain b", "create plain c"]);
    assert_eq!(endings(&report), ["plain a created", "plain b created", "plain c created"]);
    assert!(!report.failed());
    // The second run finds nothing to do.
    let again = bench.up(&desired).await;
    assert_eq!(endings(&again), ["plain a unchanged", "plain b unchanged", "plain c unchanged"]);
    assert_eq!(log(), [""; 0]);
}

#[tokio::test]
async fn what_uses_goes_before_what_is_used() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    bench.up(&desired).await;
    log();
    let snapshot = bench.take(&desired).await;
    let plan = Plan::removal(&desired, &snapshot, &BTreeSet::new());
    let report = bench.apply(&desired, &plan, &snapshot).await;
    assert_eq!(log(), ["delete plain c", "delete plain b", "delete plain a"]);
    assert!(!report.failed());
    assert!(bench.take(&desired).await.live.is_empty());
}

#[tokio::test]
async fn what_nobody_asks_for_goes_when_all_else_is_done() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Revision>("s", "old", text("1"));
    before.add::<Plain>("s", "old", Spec { of: Some(Ref::to("old")), ..text("1") });
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "new", Spec { needs: Some(Ref::to("slow")), ..text("1") });
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create slow slow", "create plain new", "delete plain old", "delete revision old"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn what_depends_on_a_failure_is_skipped_and_the_rest_goes_on() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Plain>("s", "old", text("1"));
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    desired.add::<Plain>("s", "other", text("1"));
    cloud(|cloud| cloud.refuses("a", Refusal::Always("Refused")));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain other"]);
    // The reason is the failure, not what stands between. Nothing is deleted while something is not as it should be.
    let expected = [
        "plain a failed: creating test.plain a: Refused: no",
        "plain b skipped after test.plain a",
        "plain c skipped after test.plain a",
        "plain other created",
        "plain old skipped after test.plain a",
    ];
    assert_eq!(sorted(endings(&report)), sorted(expected.map(str::to_owned).to_vec()));
    assert!(report.failed());
    // The next run does what is left.
    cloud(|cloud| cloud.refusals.clear());
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a", "create plain b", "create plain c", "delete plain old"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn something_new_does_not_wait_for_a_late_output_and_gets_it_by_a_second_change() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "p", Spec { late: Some(Ref::to("slow")), ..text("1") });
    let report = bench.up(&desired).await;
    let log = log();
    assert_eq!(log[2..], ["update plain p late"]);
    assert_eq!(sorted(log[..2].to_vec()), ["create plain p", "create slow slow"]);
    assert_eq!(sorted(endings(&report)), ["plain p created", "slow slow created"]);
    assert_eq!(bench.state("p").late.as_deref(), Some("address of slow"));
}

#[tokio::test]
async fn something_that_serves_already_waits_for_a_late_output_and_changes_once() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Plain>("s", "p", text("1"));
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "p", Spec { late: Some(Ref::to("slow")), ..text("2") });
    bench.up(&desired).await;
    assert_eq!(log(), ["create slow slow", "update plain p text late"]);
}

#[tokio::test]
async fn a_new_revision_changes_those_who_use_it_and_nobody_else() {
    let bench = Bench::new().await;
    let stack = |revision: &str| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Revision>("s", "r", text(revision));
        desired.add::<Plain>("s", "p", Spec { of: Some(Ref::to("r")), ..text("1") });
        desired.add::<Plain>("s", "q", uses("1", &["p"]));
        desired
    };
    bench.up(&stack("1")).await;
    assert_eq!(bench.state("p").of.as_deref(), Some("r:1"));
    log();
    let report = bench.up(&stack("2")).await;
    assert_eq!(log(), ["update revision r text", "update plain p of"]);
    assert_eq!(bench.state("p").of.as_deref(), Some("r:2"));
    assert_eq!(sorted(endings(&report)), ["plain p updated", "plain q unchanged", "revision r updated"]);
}

#[tokio::test]
async fn nothing_is_changed_that_the_plan_did_not_show() {
    let bench = Bench::new().await;
    let stack = |spec: Spec| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Plain>("s", "p", spec);
        desired
    };
    let (one, two) = (stack(text("1")), stack(text("2")));
    bench.up(&one).await;
    log();
    let snapshot = bench.take(&one).await;
    // A plan that keeps it, and another text by now.
    let keeps = Plan::new(&bench.cx.scope, &one, &snapshot);
    let report = bench.apply(&two, &keeps, &snapshot).await;
    let moved = "`text` has moved since the plan was made. Run again";
    assert_eq!(endings(&report), [format!("plain p failed: updating test.plain p: {moved}")]);
    // A plan that changes the text, and by now another key, which AWS cannot change.
    let changes = Plan::new(&bench.cx.scope, &two, &snapshot);
    let replaced = stack(Spec { key: "another".to_owned(), ..text("2") });
    let report = bench.apply(&replaced, &changes, &snapshot).await;
    let refused = "`key` is \"\" and has to be \"another\", which takes a replacement that the plan did not show. Run `provision plan`";
    assert_eq!(endings(&report), [format!("plain p failed: updating test.plain p: {refused}")]);
    assert_eq!(log(), [""; 0]);
}

#[tokio::test]
async fn a_replacement_is_deleted_and_made_anew_with_those_who_use_it_after_it() {
    let bench = Bench::new().await;
    let stack = |key: &str| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Plain>("s", "a", Spec { key: key.to_owned(), ..text("1") });
        desired.add::<Plain>("s", "b", uses("1", &["a"]));
        desired
    };
    bench.up(&stack("1")).await;
    log();
    let report = bench.up(&stack("2")).await;
    assert_eq!(log(), ["delete plain a", "create plain a", "update plain b uses"]);
    assert_eq!(sorted(endings(&report)), ["plain a created", "plain b updated"]);
}

#[tokio::test]
async fn after_an_interrupt_no_call_starts() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    cloud(|cloud| cloud.interrupts_at = Some("a".to_owned()));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a"]);
    assert_eq!(endings(&report), ["plain a stopped", "plain b stopped"]);
    assert_eq!(report.stopped, Some("interrupted"));
    // The next run goes on.
    let bench = Bench::again().await;
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain b"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn a_refusal_that_ends_by_itself_is_waited_for() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    cloud(|cloud| cloud.refuses("a", Refusal::Times(2, "Passing")));
    let report = bench.up(&desired).await;
    assert_eq!((log(), report.failed()), (vec!["create plain a".to_owned()], false));
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_second_one() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    cloud(|cloud| cloud.refuses("a", Refusal::MadeAllTheSame));
    let report = bench.up(&desired).await;
    assert_eq!((log(), report.failed()), (vec!["create plain a".to_owned(), "create plain b".to_owned()], false));
}

/// A fake kind. All of them have the same spec and state.
struct Fake<const N: u8>;

/// Nothing is special about it.
type Plain = Fake<0>;
/// Each update gives another output.
type Revision = Fake<1>;
/// It is busy for some looks, and tells its address only then.
type Slow = Fake<2>;

static FAKES: &[&dyn AnyOnAws] = &[&Fake::<1>, &Fake::<2>, &Fake::<0>];

const REGISTRY: Registry = Registry {
    find: |name| Some(*FAKES.iter().find(|kind| kind.facts().name == name)?),
    position: |name| FAKES.iter().position(|kind| kind.facts().name == name).unwrap_or(usize::MAX),
    owner_of: |address| address.name.clone(),
};

#[derive(Serialize, Deserialize)]
struct Spec {
    text: String,
    /// It cannot be changed.
    key: String,
    uses: Vec<Ref<Plain>>,
    of: Option<Ref<Revision>>,
    /// The address of this one, waited for.
    needs: Option<Ref<Slow>>,
    /// The address of this one, which may come later.
    late: Option<Ref<Slow>>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    text: String,
    key: String,
    uses: Vec<String>,
    of: Option<String>,
    needs: Option<String>,
    late: Option<String>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Output {
    id: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Told {
    address: String,
}

impl<const N: u8> Kind for Fake<N> {
    const FACTS: Facts = Facts {
        name: ["test.plain", "test.revision", "test.slow"][N as usize],
        fields: &[
            Field::wanted("text"),
            Field::fixed("key"),
            Field::wanted("uses"),
            Field::wanted("of"),
            Field::wanted("needs"),
            Field::wanted("late"),
        ],
        update_moves_output: N == 1,
        retry: &[Retry::code("Passing", 60)],
        ..Facts::DEFAULT
    };

    type Spec = Spec;
    type State = State;
    type Output = Output;
    type Ready = Told;

    fn want(_: &Scope, _: &str, spec: &Spec, outputs: &Outputs) -> Result<State, Missing> {
        let Spec { text, key, uses, of, needs, late } = spec;
        Ok(State {
            text: text.clone(),
            key: key.clone(),
            uses: outputs.of_each(uses, |used| used.id)?,
            of: of.as_ref().map(|of| Ok(outputs.get(of)?.id)).transpose()?,
            needs: needs.as_ref().map(|needs| Ok(outputs.ready(needs)?.address)).transpose()?,
            late: match late {
                Some(late) => outputs.late(late)?.map(|ready| ready.address),
                None => None,
            },
        })
    }
}

impl<const N: u8> OnAws for Fake<N> {
    async fn read(_: &Cx, _: &Query<'_, Fake<N>>) -> Result<Vec<Live<Fake<N>>>, Error> {
        Ok(cloud(|cloud| {
            let mine = cloud.things.iter_mut().filter(|((kind, _), _)| *kind == Self::FACTS.name);
            mine.map(|((_, name), thing)| {
                let is_busy = thing.busy_for > 0;
                thing.busy_for = thing.busy_for.saturating_sub(1);
                let told = Told { address: format!("address of {name}") };
                Live {
                    name: name.clone(),
                    id: name.clone(),
                    owner: Owner::Tagged(BTreeMap::new()),
                    output: Output { id: id::<N>(name, &thing.state) },
                    state: thing.state.clone(),
                    ready: (!is_busy).then_some(told),
                    status: if is_busy { Status::Busy("creating".to_owned()) } else { Status::Ready },
                }
            })
            .collect()
        }))
    }

    async fn create(cx: &Cx, name: &str, want: &State) -> Result<Output, Error> {
        cloud(|cloud| {
            let refusal = cloud.refusals.get_mut(name);
            let error = |code: &str, ambiguous| {
                let (code, message) = (code.to_owned(), "no".to_owned());
                Err(Error { code, message, request_id: None, ambiguous })
            };
            let lost = match refusal {
                Some(Refusal::Always(code)) => return error(code, false),
                Some(Refusal::Times(left, code)) if *left > 0 => {
                    *left -= 1;
                    return error(code, false);
                }
                Some(Refusal::MadeAllTheSame) => true,
                Some(Refusal::Times(..)) | None => false,
            };
            if cloud.interrupts_at.as_deref() == Some(name) {
                cx.stop.interrupt();
            }
            cloud.note::<N>("create", name, &[]);
            let thing = Thing { state: want.clone(), busy_for: if N == 2 { 2 } else { 0 } };
            cloud.things.insert((Self::FACTS.name, name.to_owned()), thing);
            if lost { error("NoAnswer", true) } else { Ok(Output { id: id::<N>(name, want) }) }
        })
    }

    async fn update(_: &Cx, live: &Live<Fake<N>>, want: &State, changed: &Changed) -> Result<(), Error> {
        cloud(|cloud| {
            cloud.note::<N>("update", &live.name, &changed.0);
            let thing = cloud.things.get_mut(&(Self::FACTS.name, live.name.clone())).expect("it is there");
            thing.state = want.clone();
        });
        Ok(())
    }

    async fn delete(_: &Cx, live: &Live<Fake<N>>, _: LastWish) -> Result<(), Error> {
        cloud(|cloud| {
            cloud.note::<N>("delete", &live.name, &[]);
            cloud.things.remove(&(Self::FACTS.name, live.name.clone()));
        });
        Ok(())
    }
}

/// A plain thing keeps its id until it is made anew with another key.
fn id<const N: u8>(name: &str, state: &State) -> String {
    format!("{name}:{}", if N == 1 { &state.text } else { &state.key })
}

/// What there is, on this thread: the engine polls all of its calls on the thread of the test.
#[derive(Default)]
struct Cloud {
    things: BTreeMap<(&'static str, String), Thing>,
    refusals: BTreeMap<String, Refusal>,
    /// The name of the thing during whose create the run is interrupted.
    interrupts_at: Option<String>,
    log: Vec<String>,
}

struct Thing {
    state: State,
    busy_for: u32,
}

/// How a create fails.
enum Refusal {
    Always(&'static str),
    Times(u32, &'static str),
    /// The answer is lost.
    MadeAllTheSame,
}

thread_local! {
    static CLOUD: RefCell<Cloud> = RefCell::default();
}

fn cloud<T>(work: impl FnOnce(&mut Cloud) -> T) -> T {
    CLOUD.with_borrow_mut(work)
}

impl Cloud {
    fn refuses(&mut self, name: &str, refusal: Refusal) {
        self.refusals.insert(name.to_owned(), refusal);
    }

    fn note<const N: u8>(&mut self, did: &str, name: &str, fields: &[String]) {
        let (_, kind) = Fake::<N>::FACTS.name.split_once('.').expect("service.resource");
        self.log.push([&[did.to_owned(), kind.to_owned(), name.to_owned()], fields].concat().join(" "));
    }
}

/// The writes since the last question.
fn log() -> Vec<String> {
    cloud(|cloud| std::mem::take(&mut cloud.log))
}

fn text(text: &str) -> Spec {
    Spec { text: text.to_owned(), key: String::new(), uses: Vec::new(), of: None, needs: None, late: None }
}

fn uses(one: &str, names: &[&str]) -> Spec {
    Spec { uses: names.iter().map(|name| Ref::to(*name)).collect(), ..text(one) }
}

struct Bench {
    cx: Cx,
}

impl Bench {
    /// With nothing in the cloud.
    async fn new() -> Bench {
        CLOUD.take();
        Bench::again().await
    }

    /// Another run on the same cloud.
    async fn again() -> Bench {
        cloud(|cloud| cloud.interrupts_at = None);
        // All waits are over at once.
        let clock = Clock::new(1_000_000.0);
        let nobody = Credentials::new("nobody", "nobody", None, None, "test");
        let config = aws::settings(clock).region(Region::new("eu-west-1")).credentials_provider(nobody).load().await;
        let scope = Scope {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            stack: "fake".to_owned(),
            env: "test".to_owned(),
            tags: BTreeMap::new(),
        };
        Bench { cx: Cx::new(scope, clock, &config, Artefacts::default()) }
    }

    async fn take(&self, desired: &Desired) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let (board, look) = (Board::default(), Look::new(Proof::Service));
        for kind in FAKES {
            let wanted = desired.resources().iter().filter(|wanted| wanted.address.kind == kind.facts().name);
            let wanted: Vec<(String, Json)> =
                wanted.map(|wanted| (wanted.address.name.clone(), wanted.spec.clone())).collect();
            let live = kind.read(&self.cx, &wanted, &board.outputs(Late::MayBeAbsent), &look).await;
            snapshot.live.extend(live.expect("a read").into_iter().map(|live| (live.address.clone(), live)));
        }
        snapshot
    }

    async fn up(&self, desired: &Desired) -> Report {
        let snapshot = self.take(desired).await;
        let plan = Plan::new(&self.cx.scope, desired, &snapshot);
        self.apply(desired, &plan, &snapshot).await
    }

    async fn apply(&self, desired: &Desired, plan: &Plan, snapshot: &Snapshot) -> Report {
        let (last_wish, unprotect) = (LastWish::Discard, BTreeSet::new());
        let work = Work { kinds: FAKES, desired, plan, snapshot, unclean: false, last_wish, unprotect };
        apply(&self.cx, &work, &mut |_| {}).await
    }

    /// The state of a plain thing.
    fn state(&self, name: &str) -> State {
        cloud(|cloud| cloud.things[&(Plain::FACTS.name, name.to_owned())].state.clone())
    }
}

/// `plain a created`, a line for each outcome.
fn endings(report: &Report) -> Vec<String> {
    let told = |ending: &Ending| match ending {
        Ending::Unchanged => "unchanged".to_owned(),
        Ending::Created => "created".to_owned(),
        Ending::Updated => "updated".to_owned(),
        Ending::Deleted => "deleted".to_owned(),
        Ending::Failed { error, .. } => format!("failed: {error}"),
        Ending::Skipped { after } => format!("skipped after {after}"),
        Ending::Stopped => "stopped".to_owned(),
    };
    let outcomes = report.outcomes.iter();
    let lines = outcomes.map(|outcome| format!("{} {}", outcome.address, told(&outcome.result)));
    lines.map(|line| line.trim_start_matches("test.").to_owned()).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
