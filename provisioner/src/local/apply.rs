//! Carries a plan out on this machine. The supervisor gets the parts that the plan is about, and leaves the others as
//! they are. Then the server of messages gets its queues. Nothing is restarted for a queue or a route.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use local::engines::{ports as files, replica};
use local::messaging::{self, Config};
use local::supervisor::client::{self, Client};
use local::supervisor::part::Wanted;
use local::supervisor::protocol::{Event, Failure, Outcome, State};
use local::{balancer, http_api, supervisor};
use supervisor::place::private_directory;

use super::kinds::{
    Api, Delivery, DeliveryState, Process, Queue, QueueState, Routes, Subscription, SubscriptionState, Topic,
    TopicState,
};
use super::watch::delays;
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::{Kind, Late};
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan};
use crate::sections::Loaded;
use crate::sections::functions::API;
use crate::sections::here::Ground;
use crate::sections::machine::{Laptop, scope};
use crate::sections::queues::MESSAGING;
use crate::sections::queues::local::CONFIG;
use crate::sections::services::WEB;

/// Carries the plan out. Returns the stack as it is wanted, and what became of each part.
pub(crate) fn apply(
    state: &Path,
    loaded: &Loaded,
    (plan, snapshot): (&Plan, &Snapshot),
    tell: impl FnMut(&Event),
) -> anyhow::Result<(Laptop, Outcome)> {
    let kept = kept(plan, snapshot);
    if !kept.is_empty()
        && let Some(client) = client::running(state)
        && client.views()?.is_none()
    {
        bail!(
            "an earlier version of this program started this stack, and cannot leave parts of it as they are: run \
             `provision down --local`, which keeps the data, then `up --local`"
        );
    }
    let ground = Ground::make(state, loaded)?;
    let chosen = chosen(plan);
    let laptop = ground.prepare(loaded, &chosen)?;
    let declaration = declaration(loaded, &laptop, (plan, snapshot));
    write(&laptop, plan, declaration.as_ref())?;
    let client = client::ensure(laptop.place.state())?;
    let wanted =
        Wanted { parts: laptop.parts.iter().filter(|part| chosen.contains(&part.name)).cloned().collect(), kept };
    let within = wanted.longest_wait().map_or(APPLY, |longest| APPLY.max(longest + APPLY_MORE));
    let mut outcome = client.apply(&wanted, within, tell)?;
    if let Some(declaration) = &declaration
        && let Err(error) = declare(&client, declaration)
    {
        outcome.ready.retain(|part| part != MESSAGING);
        outcome.failed.push(Failure { part: MESSAGING.to_owned(), error: format!("{error:#}") });
    }
    let is_ready = |part: &str| outcome.ready.iter().any(|ready| ready == part);
    for servers in laptop.databases.iter().filter(|servers| is_ready(&servers.primary.name)) {
        replica::open(&servers.primary)?;
    }
    // Parts that were told by hand to hold data back do not hold it back any more.
    let held_back = delays(state, loaded, &client.status()?)?;
    for servers in &laptop.databases {
        let replica = servers.replica.as_ref().filter(|replica| chosen.contains(&replica.name));
        if let Some(replica) = replica.filter(|replica| held_back.contains_key(&replica.name)) {
            replica::delay(&servers.program, replica, 0)?;
        }
    }
    Ok((laptop, outcome))
}

/// Everything has to run within this time, including parts that restart meanwhile. If the time that the parts may take
/// and `APPLY_MORE` are longer together, they are the limit.
const APPLY: Duration = Duration::from_secs(120);
const APPLY_MORE: Duration = Duration::from_secs(60);

/// The parts that the plan is about and that are to run.
fn chosen(plan: &Plan) -> BTreeSet<String> {
    let is_part = |address: &Address| address.kind == Process::FACTS.name;
    let wanted = plan.steps.iter().filter(|step| is_part(&step.address) && step.action != Action::Delete);
    wanted.map(|step| step.address.name.clone()).collect()
}

/// The parts that run and that the plan is not about.
fn kept(plan: &Plan, snapshot: &Snapshot) -> BTreeSet<String> {
    let live = snapshot.live.keys().filter(|address| address.kind == Process::FACTS.name);
    let about: BTreeSet<&Address> = plan.steps.iter().map(|step| &step.address).collect();
    live.filter(|address| !about.contains(address)).map(|address| address.name.clone()).collect()
}

/// The topics and queues after the plan: those of the plan as they are wanted, and the others as they are. `None` if
/// there is no server for them.
fn declaration(loaded: &Loaded, laptop: &Laptop, (plan, snapshot): (&Plan, &Snapshot)) -> Option<Config> {
    let server = Address { kind: Process::FACTS.name, name: MESSAGING.to_owned() };
    match plan.get(&server) {
        Some(step) if step.action == Action::Delete => return None,
        None if !snapshot.live.contains_key(&server) => return None,
        _ => {}
    }
    let scope = scope(loaded);
    let mut config = Config { account: scope.account.clone(), region: scope.region.clone(), ..Config::default() };
    let mut states: BTreeMap<&Address, Json> =
        snapshot.live.values().map(|live| (&live.address, live.state.clone())).collect();
    let about: BTreeSet<&Address> = plan.steps.iter().map(|step| &step.address).collect();
    states.retain(|address, _| !about.contains(address));
    let board = snapshot.board();
    let outputs = board.outputs(Late::MayBeAbsent);
    for wanted in laptop.desired.resources().iter().filter(|wanted| about.contains(&wanted.address)) {
        if let Ok(want) = wanted.kind.want(&scope, &wanted.address.name, &wanted.spec, &outputs) {
            states.insert(&wanted.address, want);
        }
    }
    for (address, state) in states {
        match address.kind {
            kind if kind == Topic::FACTS.name => {
                let state: TopicState = state.read().ok()?;
                config.topics.insert(state.name.clone(), state.attributes());
            }
            kind if kind == Queue::FACTS.name => {
                let state: QueueState = state.read().ok()?;
                config.queues.insert(state.name.clone(), state.attributes());
            }
            kind if kind == Subscription::FACTS.name => {
                let state: SubscriptionState = state.read().ok()?;
                config.subscriptions.push(state.declaration());
            }
            kind if kind == Delivery::FACTS.name => {
                let state: DeliveryState = state.read().ok()?;
                config.functions.extend(state.declaration());
            }
            _ => {}
        }
    }
    Some(config)
}

/// Writes the files that the server of messages and the load balancer read when they start. A load balancer that runs
/// reads its file again by itself.
fn write(laptop: &Laptop, plan: &Plan, declaration: Option<&Config>) -> anyhow::Result<()> {
    if let Some(declaration) = declaration {
        let directory = laptop.place.state().join("data").join(MESSAGING);
        private_directory(&directory)?;
        files::write(&directory.join(CONFIG), &serde_json::to_vec_pretty(declaration)?)?;
    }
    let address = Address { kind: Api::FACTS.name, name: API.to_owned() };
    if let Some((file, config)) = laptop.api.as_ref().filter(|_| plan.get(&address).is_some()) {
        http_api::part::prepare(file, config)?;
    }
    let address = Address { kind: Routes::FACTS.name, name: WEB.to_owned() };
    match &laptop.routes {
        Some((file, routes)) if plan.get(&address).is_some() => balancer::part::prepare(file, routes),
        _ => Ok(()),
    }
}

fn declare(client: &Client, declaration: &Config) -> anyhow::Result<()> {
    let parts = client.status()?;
    let server = parts.iter().find(|part| part.name == MESSAGING && part.state == State::Ready);
    // A server that does not run reads its file when it starts.
    match server.and_then(|server| server.port) {
        Some(port) => messaging::declare(port, declaration).context("changing topics and queues"),
        None => Ok(()),
    }
}
