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
use local::{balancer, http_api, supervisor, tables};
use supervisor::place::private_directory;

use super::kinds::{
    Api, Delivery, DeliveryState, Process, Queue, QueueState, Routes, Subscription, SubscriptionState, Table,
    TableState, Topic, TopicState,
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
use crate::sections::tables::{ENGINE, local as local_tables};

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
    let declaration = declaration(loaded, &laptop, (plan, snapshot))?;
    write(&laptop, plan, &declaration)?;
    let client = client::ensure(laptop.place.state())?;
    let wanted =
        Wanted { parts: laptop.parts.iter().filter(|part| chosen.contains(&part.name)).cloned().collect(), kept };
    let within = wanted.longest_wait().map_or(APPLY, |longest| APPLY.max(longest + APPLY_MORE));
    let mut outcome = client.apply(&wanted, within, tell)?;
    for (part, declared) in declare(&client, &declaration)? {
        if let Err(error) = declared {
            outcome.ready.retain(|ready| ready != part);
            outcome.failed.push(Failure { part: part.to_owned(), error: format!("{error:#}") });
        }
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

/// What the server of messages and the engine of tables have after the plan: the things of the plan as they are wanted,
/// and the others as they are.
struct Declaration {
    /// `None` if there is no server of messages.
    messages: Option<Config>,
    /// `None` if there is no engine of tables.
    tables: Option<tables::Config>,
}

fn declaration(loaded: &Loaded, laptop: &Laptop, (plan, snapshot): (&Plan, &Snapshot)) -> anyhow::Result<Declaration> {
    let is_there = |part: &str| {
        let address = Address { kind: Process::FACTS.name, name: part.to_owned() };
        match plan.get(&address) {
            Some(step) => step.action != Action::Delete,
            None => snapshot.live.contains_key(&address),
        }
    };
    let scope = scope(loaded);
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
    let (account, region) = (scope.account.clone(), scope.region.clone());
    let mut messages = Config { account: account.clone(), region: region.clone(), ..Config::default() };
    let mut all = tables::Config { account, region, ..tables::Config::default() };
    for (address, state) in states {
        match address.kind {
            kind if kind == Topic::FACTS.name => {
                let state: TopicState = state.read()?;
                messages.topics.insert(state.name.clone(), state.attributes());
            }
            kind if kind == Queue::FACTS.name => {
                let state: QueueState = state.read()?;
                messages.queues.insert(state.name.clone(), state.attributes());
            }
            kind if kind == Subscription::FACTS.name => {
                let state: SubscriptionState = state.read()?;
                messages.subscriptions.push(state.declaration());
            }
            kind if kind == Delivery::FACTS.name => {
                let state: DeliveryState = state.read()?;
                messages.functions.extend(state.declaration());
            }
            kind if kind == Table::FACTS.name => {
                let state: TableState = state.read()?;
                all.tables.insert(state.name.clone(), state.declaration());
            }
            _ => {}
        }
    }
    let engine = is_there(ENGINE);
    messages.tables = laptop.port_of(ENGINE).filter(|_| engine);
    Ok(Declaration { messages: is_there(MESSAGING).then_some(messages), tables: engine.then_some(all) })
}

/// Writes the files that the server of messages, the engine of tables and the load balancer read when they start. A load
/// balancer that runs reads its file again by itself.
fn write(laptop: &Laptop, plan: &Plan, declaration: &Declaration) -> anyhow::Result<()> {
    let write = |part: &str, file: &str, bytes: Vec<u8>| {
        let directory = laptop.place.state().join("data").join(part);
        private_directory(&directory)?;
        files::write(&directory.join(file), &bytes)
    };
    if let Some(messages) = &declaration.messages {
        write(MESSAGING, CONFIG, serde_json::to_vec_pretty(messages)?)?;
    }
    if let Some(tables) = &declaration.tables {
        write(ENGINE, local_tables::CONFIG, serde_json::to_vec_pretty(tables)?)?;
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

/// Tells the declarations to the parts that run, and gives what became of each. A part that does not run reads its file
/// when it starts.
fn declare(client: &Client, declaration: &Declaration) -> anyhow::Result<Vec<(&'static str, anyhow::Result<()>)>> {
    let parts = client.status()?;
    let port = |name: &str| {
        let part = parts.iter().find(|part| part.name == name && part.state == State::Ready);
        part.and_then(|part| part.port)
    };
    let mut declared = Vec::new();
    if let Some((messages, port)) = declaration.messages.as_ref().zip(port(MESSAGING)) {
        declared.push((MESSAGING, messaging::declare(port, messages).context("changing topics and queues")));
    }
    if let Some((all, port)) = declaration.tables.as_ref().zip(port(ENGINE)) {
        declared.push((ENGINE, declare_tables(port, all).context("changing tables")));
    }
    Ok(declared)
}

/// Tells the engine its tables. A stream with another view is another stream, and a table with another key another table:
/// the old one goes first.
fn declare_tables(port: u16, wanted: &tables::Config) -> anyhow::Result<()> {
    let there = tables::declared(port)?.declared;
    let mut first = wanted.clone();
    first.tables.retain(|name, table| there.tables.get(name).is_none_or(|old| old.key == table.key));
    for (name, table) in &mut first.tables {
        if there.tables.get(name).is_some_and(|old| old.stream.is_some() && old.stream != table.stream) {
            table.stream = None;
        }
    }
    if first != *wanted {
        tables::declare(port, &first)?;
    }
    tables::declare(port, wanted)
}
