//! Takes the snapshot of a stack on this machine: the supervisor says which processes run and how, the server of messages
//! which queues it has, and the load balancer's own file where it sends requests. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use local::balancer::config::Config as Balancer;
use local::http_api::config::Api as FunctionRoutes;
use local::messaging::{self, Config, Declared};
use local::supervisor::client;
use local::supervisor::part::View;
use local::supervisor::protocol::{PartStatus, State};
use local::tables;

use super::kinds::{
    Api, ApiState, Delivery, DeliveryState, Process, ProcessSpec, ProcessState, Queue, QueueState, RUNNING, Routes,
    RoutesState, Subscription, SubscriptionState, Table, TableState, Topic, TopicState,
};
use crate::kind::any::AnyLive;
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Kind, Status};
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::scope::Scope;
use crate::sections::functions::API;
use crate::sections::functions::local::ROUTES;
use crate::sections::queues::MESSAGING;
use crate::sections::queues::local::CONFIG;
use crate::sections::services::WEB;
use crate::sections::tables::ENGINE;

/// `parts`: the parts that the supervisor has. `delays`: the replicas that hold back what they get, each with the
/// seconds.
pub(crate) fn take(
    state: &Path,
    scope: &Scope,
    desired: &Desired,
    (parts, delays): (&[PartStatus], &BTreeMap<String, u64>),
) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let Some(client) = client::running(state) else { return Ok(snapshot) };
    let state = client.place().state();
    let views = client.views()?.unwrap_or_default();
    for part in parts {
        let view = views.get(&part.name).cloned().unwrap_or_else(|| of_earlier_version(part, desired));
        let word = match part.state {
            State::Ready | State::Starting => RUNNING.to_owned(),
            other => other.to_string(),
        };
        let delay_seconds = Some(delays.get(&part.name).copied().unwrap_or_default());
        put::<Process>(&mut snapshot, &part.name, &ProcessState { view, state: word, delay_seconds });
    }
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    if let Some(part) = part(MESSAGING) {
        messages(&mut snapshot, scope, desired, &declared(state, part)?);
    }
    if let Some(part) = part(ENGINE) {
        tables_of(&mut snapshot, scope, &declared_tables(state, part)?);
    }
    if part(WEB).is_some()
        && let Ok(bytes) = std::fs::read(state.join(crate::sections::services::local::ROUTES))
        && let Ok(routes) = Balancer::parse(&bytes)
    {
        put::<Routes>(&mut snapshot, WEB, &RoutesState::of(&routes));
    }
    if part(API).is_some()
        && let Ok(bytes) = std::fs::read(state.join(ROUTES))
        && let Ok(api) = FunctionRoutes::parse(&bytes)
    {
        put::<Api>(&mut snapshot, API, &ApiState::of(&api.config));
    }
    Ok(snapshot)
}

/// The process as a supervisor of an earlier version lets it be known: it only tells whether the process is the wanted
/// one.
fn of_earlier_version(part: &PartStatus, desired: &Desired) -> View {
    let address = Address { kind: Process::FACTS.name, name: part.name.clone() };
    let wanted: Option<ProcessSpec> = desired.get(&address).and_then(|wanted| wanted.spec.read().ok());
    let Some(spec) = wanted else { return View { kind: part.kind.clone(), ..View::default() } };
    let is_the_same = part.fingerprint.is_none() || part.fingerprint.as_ref() == Some(&spec.fingerprint);
    match spec.view() {
        view if is_the_same => view,
        view => View { configuration: "(not known: an earlier version of this program started it)".to_owned(), ..view },
    }
}

/// What the server of messages has. If it does not answer, the file from which it takes its declaration says so.
fn declared(state: &Path, part: &PartStatus) -> anyhow::Result<Declared> {
    let port = part.port.filter(|_| part.state == State::Ready);
    if let Some(Ok(Some(declared))) = port.map(messaging::declared) {
        return Ok(declared);
    }
    let path = state.join("data").join(MESSAGING).join(CONFIG);
    let Ok(bytes) = std::fs::read(&path) else { return Ok(Declared::default()) };
    let declared = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
    Ok(Declared { declared, others: Config::default() })
}

/// The tables that the engine has. If it does not answer, the file from which it takes its declaration says so.
fn declared_tables(state: &Path, part: &PartStatus) -> anyhow::Result<tables::Config> {
    let port = part.port.filter(|_| part.state == State::Ready);
    if let Some(Ok(declared)) = port.map(tables::declared) {
        return Ok(declared.declared);
    }
    let path = state.join("data").join(ENGINE).join(crate::sections::tables::local::CONFIG);
    let Ok(bytes) = std::fs::read(&path) else { return Ok(tables::Config::default()) };
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
}

/// Adds the tables that this program has declared.
fn tables_of(snapshot: &mut Snapshot, scope: &Scope, config: &tables::Config) {
    let there = Scope { account: config.account.clone(), region: config.region.clone(), ..scope.clone() };
    for (called, table) in &config.tables {
        put::<Table>(snapshot, &short(scope, called), &TableState::of(&there, called, table));
    }
}

/// Adds the topics, queues and subscriptions that this program has declared, and those of SDKs that are wanted.
fn messages(snapshot: &mut Snapshot, scope: &Scope, desired: &Desired, all: &Declared) {
    for (config, is_declared) in [(&all.others, false), (&all.declared, true)] {
        let concerns = |kind: &'static str, name: &str| {
            is_declared || desired.get(&Address { kind, name: name.to_owned() }).is_some()
        };
        // The server has the account and the region of its declaration, which the stack file may have changed since.
        let there = Scope { account: config.account.clone(), region: config.region.clone(), ..scope.clone() };
        for (called, attributes) in &config.topics {
            let name = short(scope, called);
            if concerns(Topic::FACTS.name, &name) {
                put::<Topic>(snapshot, &name, &TopicState::of(&there, called, attributes));
            }
        }
        for (called, attributes) in &config.queues {
            let name = short(scope, called);
            if concerns(Queue::FACTS.name, &name) {
                put::<Queue>(snapshot, &name, &QueueState::of(&there, called, attributes));
            }
        }
        for delivery in &config.functions {
            let name = format!("{}-to-{}", short(scope, &delivery.topic), short(scope, &delivery.function));
            put::<Delivery>(snapshot, &name, &DeliveryState::of(delivery));
        }
        for subscription in &config.subscriptions {
            let name = format!("{}-to-{}", short(scope, &subscription.topic), short(scope, &subscription.queue));
            if concerns(Subscription::FACTS.name, &name) {
                put::<Subscription>(snapshot, &name, &SubscriptionState::of(subscription));
            }
        }
    }
}

/// The name in the stack file of a topic, a queue or a table.
fn short(scope: &Scope, called: &str) -> String {
    let name = called.strip_prefix(&format!("{}-", scope.prefix())).unwrap_or(called);
    name.strip_suffix(".fifo").unwrap_or(name).to_owned()
}

fn put<K: Kind<Output = (), Ready = ()>>(snapshot: &mut Snapshot, name: &str, state: &K::State) {
    let address = Address { kind: K::FACTS.name, name: name.to_owned() };
    let (state, output) = (Json::of(state), Json::of(&()));
    let live = AnyLive {
        address: address.clone(),
        id: name.to_owned(),
        owner: Owner::Child,
        state,
        ready: Some(output.clone()),
        output,
        status: Status::Ready,
    };
    snapshot.live.insert(address, live);
}
