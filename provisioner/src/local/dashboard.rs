//! The facts that the page about a stack has to be told: the map of the stack file, and how to connect.

use local::dashboard::config::{Config, Connection, Lane, Link, Node, Queue, Table};
use local::dashboard::part::{self, NAME};
use serde_json::Value;

use crate::sections::databases::replica as replica_name;
use crate::sections::functions::{API, MIGRATE, migration};
use crate::sections::machine::{Making, Purpose, Servers, named, region};
use crate::sections::queues::local::url;
use crate::sections::queues::{MESSAGING, dead_letter_name};
use crate::sections::search::engine::Search;
use crate::sections::search::local::endpoint;
use crate::sections::services::WEB;
use crate::sections::tables::ENGINE;
use crate::sections::tables::local::called;
use crate::sections::topics::local::arn;
use crate::sections::words::Name;

/// Adds the dashboard. It comes after all other parts, because it shows what they are.
pub(crate) fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let port = making.port(NAME);
    // The page shows the whole stack, so it is told of every change.
    let address = match making.purpose {
        Purpose::Run(_) => {
            part::prepare(making.place, &describe(making))?;
            Some(part::address(making.place, port)?)
        }
        Purpose::Look => part::known_address(making.place, port),
    };
    if let Some(address) = address {
        making.export("dashboard", address);
    }
    let part = part::part(&making.program, making.place, port)?;
    making.add("stack", part);
    Ok(())
}

fn describe(making: &Making<'_>) -> Config {
    let stack = &making.loaded.stack;
    let mut config = Config {
        stack: stack.stack.to_string(),
        environment: making.loaded.env.to_string(),
        notes: making.laptop.notes.clone(),
        replicas: making.laptop.databases.iter().filter_map(|servers| servers.pair.replica.clone()).collect(),
        ..Config::default()
    };
    for part in &making.laptop.parts {
        let known = Name(part.name.clone());
        let lane = match part.name.as_str() {
            MESSAGING => continue,
            WEB | API => Lane::Entry,
            ENGINE => continue,
            _ if stack.functions.contains_key(&known) || part.name.ends_with(MIGRATE) => Lane::Services,
            _ if stack.services.contains_key(&known) || part.name.starts_with("forward-") => Lane::Services,
            _ => Lane::Data,
        };
        let (id, name) = (part.name.clone(), part.name.clone());
        config.nodes.push(Node { id, name, kind: part.kind.clone(), lane, part: part.name.clone() });
    }
    messages(making, &mut config);
    tables(making, &mut config);
    links(making, &mut config);
    connections(making, &mut config);
    config
}

fn messages(making: &Making<'_>, config: &mut Config) {
    let stack = &making.loaded.stack;
    let mut node = |id: String, name: &Name, kind: &str| {
        let (name, part) = (name.to_string(), MESSAGING.to_owned());
        config.nodes.push(Node { id, name, kind: kind.to_owned(), lane: Lane::Messages, part });
    };
    stack.topics.keys().for_each(|name| node(topic(name), name, "topic"));
    stack.queues.keys().for_each(|name| node(queue(name), name, "queue"));
    if stack.has_messages() {
        config.messaging = Some(making.port(MESSAGING));
    }
    for (name, it) in &stack.queues {
        let dead_letters = Some(named(making.loaded, &dead_letter_name(&name.0), it.fifo));
        config.queues.push(Queue { id: queue(name), main: named(making.loaded, &name.0, it.fifo), dead_letters });
        for from in &it.from {
            config.links.push(link(topic(from), queue(name), "delivers to"));
        }
    }
}

fn tables(making: &Making<'_>, config: &mut Config) {
    let stack = &making.loaded.stack;
    if !stack.tables.is_empty() {
        config.dynamodb = Some(making.port(ENGINE));
    }
    for name in stack.tables.keys() {
        config.tables.push(Table { id: table(name), name: called(making, &name.0) });
        let (kind, part) = ("table".to_owned(), ENGINE.to_owned());
        config.nodes.push(Node { id: table(name), name: name.to_string(), kind, lane: Lane::Data, part });
    }
}

fn links(making: &Making<'_>, config: &mut Config) {
    let stack = &making.loaded.stack;
    let pairs = || making.laptop.databases.iter().map(|servers| &servers.pair);
    for pair in pairs() {
        let replica = pair.replica.clone();
        config.links.extend(replica.map(|replica| link(pair.primary.clone(), replica, "replicates to")));
    }
    // The part whose state counts for the thing.
    let part_of = |thing: &Name| {
        if stack.tables.contains_key(thing) {
            return table(thing);
        }
        let primary = pairs().find(|pair| pair.database == thing.0).map(|pair| pair.primary.clone());
        primary.unwrap_or_else(|| thing.to_string())
    };
    // The part in front of a function or a service, for those who call it.
    let front = |thing: &Name| match () {
        () if stack.functions.contains_key(thing) => Some(API),
        () if stack.services.contains_key(thing) => Some(WEB),
        () => None,
    };
    for (name, service) in stack.services.iter().filter(|(_, service)| service.role.is_some()) {
        if service.http.is_some() {
            config.links.push(link(WEB.to_owned(), name.to_string(), "routes to"));
        }
        for thing in &service.uses {
            let (from, to, verb) = if stack.topics.contains_key(thing) {
                (name.to_string(), topic(thing), "publishes to")
            } else if stack.queues.contains_key(thing) {
                (queue(thing), name.to_string(), "feeds")
            } else if let Some(front) = front(thing) {
                (name.to_string(), front.to_owned(), "calls")
            } else if service.owns.contains(thing) {
                (name.to_string(), part_of(thing), "owns")
            } else {
                (name.to_string(), part_of(thing), "uses")
            };
            config.links.push(link(from, to, verb));
        }
    }
    for (name, function) in &stack.functions {
        if function.http.is_some() {
            config.links.push(link(API.to_owned(), name.to_string(), "routes to"));
        }
        config.links.extend(function.queue().map(|from| link(queue(from), name.to_string(), "feeds")));
        config.links.extend(function.table().map(|from| link(table(from), name.to_string(), "feeds")));
        config.links.extend(function.topic().map(|from| link(topic(from), name.to_string(), "delivers to")));
        for owned in &function.owns {
            config.links.push(link(migration(&owned.0), part_of(owned), "migrates"));
        }
        for thing in &function.uses {
            let (to, verb) = match front(thing) {
                Some(front) => (front.to_owned(), "calls"),
                None if stack.topics.contains_key(thing) => (topic(thing), "publishes to"),
                None if function.owns.contains(thing) => (part_of(thing), "owns"),
                None => (part_of(thing), "uses"),
            };
            config.links.push(link(name.to_string(), to, verb));
        }
    }
    if let Some(logs) = stack.shipping() {
        for service in logs.ship.keys() {
            let forwarder = format!("forward-{service}");
            config.links.push(link(service.to_string(), forwarder.clone(), "logs to"));
            config.links.push(link(forwarder, logs.to.to_string(), "ships to"));
        }
    }
    // A thing that does not run here, such as a container of the user's, is not on the map.
    let nodes = &config.nodes;
    let is_there = |id: &String| nodes.iter().any(|node| node.id == *id);
    config.links.retain(|link| is_there(&link.from) && is_there(&link.to));
}

fn connections(making: &Making<'_>, config: &mut Config) {
    let stack = &making.loaded.stack;
    let mut add = |name: String, part: &str, text: String, secret: Option<String>| {
        config.connections.push(Connection { name, part: part.to_owned(), text, secret });
    };
    if let Some(address) = making.laptop.outputs.get("services.address").and_then(Value::as_str) {
        add("services".into(), WEB, address.to_owned(), None);
    }
    if let Some(address) = making.laptop.outputs.get("functions.address").and_then(Value::as_str) {
        add("functions".into(), API, address.to_owned(), None);
    }
    for servers in &making.laptop.databases {
        let Servers { pair, primary, replica, .. } = servers;
        let database = &pair.database;
        let readers = replica.iter().map(|replica| (replica_name(database), replica, "app"));
        let both = ["owner", "app"].map(|user| (database.clone(), primary, user));
        for (address, server, user) in both.into_iter().chain(readers) {
            let (secret, port) = (making.keys.get(user), server.port);
            let text = format!("mysql://{user}:{secret}@127.0.0.1:{port}/{}", server.database);
            add(format!("{address} as {user}"), &server.name, text, Some(secret));
        }
    }
    for name in stack.caches.keys() {
        let (secret, port) = (making.keys.get("cache"), making.port(&name.0));
        add(name.to_string(), &name.0, format!("redis://:{secret}@127.0.0.1:{port}"), Some(secret));
    }
    for name in stack.queues.keys() {
        add(format!("queue {name}"), MESSAGING, url(making, &name.0), None);
    }
    for name in stack.topics.keys() {
        add(format!("topic {name}"), MESSAGING, arn(making, &name.0), None);
    }
    if config.messaging.is_some() {
        let port = making.port(MESSAGING);
        let text = format!(
            "AWS_ENDPOINT_URL=http://127.0.0.1:{port} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION={region}",
            region = region(making.loaded)
        );
        add("AWS CLI and SDKs".into(), MESSAGING, text, None);
    }
    if !matches!(making.programs.search, Search::None) {
        for name in stack.search.keys() {
            if let Some(endpoint) = endpoint(making, &name.0) {
                add(format!("search {name}"), &name.0, endpoint, None);
            }
        }
    }
}

fn link(from: String, to: String, verb: &str) -> Link {
    Link { from, to, verb: verb.to_owned() }
}

fn topic(name: &Name) -> String {
    format!("topic:{name}")
}

fn table(name: &Name) -> String {
    format!("table:{name}")
}

fn queue(name: &Name) -> String {
    format!("queue:{name}")
}
