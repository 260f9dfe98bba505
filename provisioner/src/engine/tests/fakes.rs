//! Fake kinds, a fake cloud that holds them, and runs of the engine over it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_config::Region;
use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};

use crate::aws::{self, Cx, Error, Look, Proof};
use crate::engine::{Report, Work, apply};
use crate::image::artefacts::Artefacts;
use crate::kind::any::Registry;
use crate::kind::board::Board;
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Kind, Late, Live, Missing, Outputs, Ref, Status};
use crate::kinds::on_aws::{AnyOnAws, Changed, LastWish, OnAws, Query};
use crate::plan::Plan;
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;
use crate::wait::Clock;

/// A fake kind. All of them have the same spec and state.
pub(super) struct Fake<const N: u8>;

/// A kind with nothing special about it.
pub(super) type Plain = Fake<0>;
/// A kind whose output changes with each update.
pub(super) type Revision = Fake<1>;
/// A kind that is busy for some looks, and publishes its address only after them.
pub(super) type Slow = Fake<2>;
/// A kind that is made without its text, and whose changes are taken one at a time.
pub(super) type Stepwise = Fake<3>;

static FAKES: &[&dyn AnyOnAws] = &[&Fake::<1>, &Fake::<2>, &Fake::<3>, &Fake::<0>];

pub(super) const REGISTRY: Registry = Registry {
    find: |name| Some(*FAKES.iter().find(|kind| kind.facts().name == name)?),
    position: |name| FAKES.iter().position(|kind| kind.facts().name == name).unwrap_or(usize::MAX),
    owner_of: |live| live.address.name.clone(),
};

#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) text: String,
    /// The key, which cannot be changed.
    pub(super) key: String,
    pub(super) uses: Vec<Ref<Plain>>,
    pub(super) of: Option<Ref<Revision>>,
    /// The resource whose address this one waits for.
    pub(super) needs: Option<Ref<Slow>>,
    /// The resource whose address may come later.
    pub(super) late: Option<Ref<Slow>>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) text: String,
    pub(super) key: String,
    pub(super) uses: Vec<String>,
    pub(super) of: Option<String>,
    pub(super) needs: Option<String>,
    pub(super) late: Option<String>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Output {
    id: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Told {
    address: String,
}

impl<const N: u8> Kind for Fake<N> {
    const FACTS: Facts = Facts {
        name: ["test.plain", "test.revision", "test.slow", "test.stepwise"][N as usize],
        fields: &[
            Field::wanted("text"),
            Field::fixed("key"),
            Field::wanted("uses"),
            Field::wanted("of"),
            Field::wanted("needs"),
            Field::wanted("late"),
        ],
        update_moves_output: N == 1,
        stepwise: N == 3,
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
            let text = if N == 3 { String::new() } else { want.text.clone() };
            let thing = Thing { state: State { text, ..want.clone() }, busy_for: if N == 2 { 2 } else { 0 } };
            cloud.things.insert((Self::FACTS.name, name.to_owned()), thing);
            if lost { error("NoAnswer", true) } else { Ok(Output { id: id::<N>(name, want) }) }
        })
    }

    async fn update(_: &Cx, live: &Live<Fake<N>>, want: &State, changed: &Changed) -> Result<(), Error> {
        cloud(|cloud| {
            cloud.note::<N>("update", &live.name, &changed.0);
            let thing = cloud.things.get_mut(&(Self::FACTS.name, live.name.clone())).expect("it is there");
            match &changed.0[..] {
                [first, _, ..] if N == 3 && first == "text" => thing.state.text.clone_from(&want.text),
                _ => thing.state = want.clone(),
            }
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

/// The id of a resource. A plain one keeps its id until it is made anew with another key.
fn id<const N: u8>(name: &str, state: &State) -> String {
    format!("{name}:{}", if N == 1 { &state.text } else { &state.key })
}

/// The resources that exist, on this thread: the engine polls all of its calls on the thread of the test.
#[derive(Default)]
pub(super) struct Cloud {
    things: BTreeMap<(&'static str, String), Thing>,
    pub(super) refusals: BTreeMap<String, Refusal>,
    /// The name of the resource during whose creation the run is interrupted.
    pub(super) interrupts_at: Option<String>,
    log: Vec<String>,
}

struct Thing {
    state: State,
    busy_for: u32,
}

/// How a create fails.
pub(super) enum Refusal {
    Always(&'static str),
    Times(u32, &'static str),
    /// The resource is made, but the answer is lost.
    MadeAllTheSame,
}

thread_local! {
    static CLOUD: RefCell<Cloud> = RefCell::default();
}

pub(super) fn cloud<T>(work: impl FnOnce(&mut Cloud) -> T) -> T {
    CLOUD.with_borrow_mut(work)
}

impl Cloud {
    pub(super) fn refuses(&mut self, name: &str, refusal: Refusal) {
        self.refusals.insert(name.to_owned(), refusal);
    }

    fn note<const N: u8>(&mut self, did: &str, name: &str, fields: &[String]) {
        let (_, kind) = Fake::<N>::FACTS.name.split_once('.').expect("service.resource");
        self.log.push([&[did.to_owned(), kind.to_owned(), name.to_owned()], fields].concat().join(" "));
    }
}

/// The writes since the last call.
pub(super) fn log() -> Vec<String> {
    cloud(|cloud| std::mem::take(&mut cloud.log))
}

pub(super) fn text(text: &str) -> Spec {
    Spec { text: text.to_owned(), key: String::new(), uses: Vec::new(), of: None, needs: None, late: None }
}

pub(super) fn uses(one: &str, names: &[&str]) -> Spec {
    Spec { uses: names.iter().map(|name| Ref::to(*name)).collect(), ..text(one) }
}

/// A context without AWS.
pub(super) async fn context(clock: Clock, scope: Scope) -> Cx {
    let nobody = Credentials::new("nobody", "nobody", None, None, "test");
    let config =
        aws::settings(clock, |_, _, _| None).region(Region::new("eu-west-1")).credentials_provider(nobody).load().await;
    Cx::new(scope, clock, &config, Artefacts::default())
}

pub(super) struct Bench {
    pub(super) cx: Cx,
}

impl Bench {
    /// A bench with nothing in the cloud.
    pub(super) async fn new() -> Bench {
        CLOUD.take();
        Bench::again().await
    }

    /// A bench for another run on the same cloud.
    pub(super) async fn again() -> Bench {
        cloud(|cloud| cloud.interrupts_at = None);
        let scope = Scope {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            stack: "fake".to_owned(),
            env: "test".to_owned(),
            tags: BTreeMap::new(),
        };
        // With this time scale all waits are over at once.
        Bench { cx: context(Clock::new(1_000_000.0), scope).await }
    }

    pub(super) async fn take(&self, desired: &Desired) -> Snapshot {
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

    pub(super) async fn up(&self, desired: &Desired) -> Report {
        let snapshot = self.take(desired).await;
        let plan = Plan::new(&self.cx.scope, desired, &snapshot);
        self.apply(desired, &plan, &snapshot).await
    }

    pub(super) async fn apply(&self, desired: &Desired, plan: &Plan, snapshot: &Snapshot) -> Report {
        let (last_wish, unprotect) = (LastWish::Discard, BTreeSet::new());
        let work = Work { kinds: FAKES, desired, plan, snapshot, unclean: false, last_wish, unprotect };
        apply(&self.cx, &work, &mut |_| {}).await
    }

    /// The state of a plain resource.
    pub(super) fn state(&self, name: &str) -> State {
        cloud(|cloud| cloud.things[&(Plain::FACTS.name, name.to_owned())].state.clone())
    }
}
