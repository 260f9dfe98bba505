//! The environment of a service: the names that `uses:` gives it on AWS, with what they are here.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Making;
use crate::stack::{Name, Service};

pub(super) struct Environment {
    pub(super) variables: BTreeMap<String, String>,
    /// Those that are masked wherever they would be shown.
    pub(super) secrets: BTreeSet<String>,
}

pub(super) fn of(making: &Making<'_>, name: &str, service: &Service, port: u16) -> Environment {
    let stack = &making.loaded.stack;
    let mut things: Vec<&Name> = service.uses.iter().chain(&service.owns).collect();
    things.sort();
    things.dedup();
    let pick = |known: &dyn Fn(&Name) -> bool| -> Vec<&str> {
        things.iter().filter(|name| known(name)).map(|name| name.0.as_str()).collect()
    };
    let mut given = Environment { variables: BTreeMap::new(), secrets: BTreeSet::new() };
    let databases = pick(&|name| stack.databases.contains_key(name));
    for thing in &databases {
        let prefix = prefix("DATABASE", thing, databases.len());
        let replica = stack.databases[&Name((*thing).into())].replica;
        given.set(&prefix, "HOST", "127.0.0.1");
        given.set(&prefix, "PORT", &making.port(thing).to_string());
        given.set(&prefix, "NAME", &thing.replace('-', "_"));
        given.set(&prefix, "TLS", "off");
        if replica {
            given.set(&prefix, "REPLICA_HOST", "127.0.0.1");
            given.set(&prefix, "REPLICA_PORT", &making.port(&format!("{thing}-replica")).to_string());
        }
        given.set(&prefix, "USER", "app");
        given.secret(&prefix, "PASSWORD", making.keys.get("app"));
        if service.owns.iter().any(|owned| owned.0 == *thing) {
            given.set(&prefix, "OWNER_USER", "owner");
            given.secret(&prefix, "OWNER_PASSWORD", making.keys.get("owner"));
        }
    }
    let caches = pick(&|name| stack.caches.contains_key(name));
    for thing in &caches {
        let prefix = prefix("CACHE", thing, caches.len());
        given.set(&prefix, "HOST", "127.0.0.1");
        given.set(&prefix, "READER_HOST", "127.0.0.1");
        given.set(&prefix, "PORT", &making.port(thing).to_string());
        given.set(&prefix, "TLS", "off");
        given.secret(&prefix, "TOKEN", making.keys.get("cache"));
    }
    let topics = pick(&|name| stack.topics.contains_key(name));
    for thing in &topics {
        given.set(&prefix("TOPIC", thing, topics.len()), "ARN", &making.topic_arn(thing));
    }
    let queues = pick(&|name| stack.queues.contains_key(name));
    for thing in &queues {
        given.set(&prefix("QUEUE", thing, queues.len()), "URL", &making.queue_url(thing));
    }
    let searches = pick(&|name| stack.search.contains_key(name));
    for thing in &searches {
        if let Some(endpoint) = making.search_endpoint(thing) {
            given.set(&prefix("SEARCH", thing, searches.len()), "ENDPOINT", &endpoint);
        }
    }
    making.aws(&mut given);
    for (key, value) in [("HOST", "127.0.0.1"), ("PORT", &port.to_string()), ("SERVICE_NAME", name)] {
        given.variables.insert(key.to_owned(), value.to_owned());
    }
    given.variables.extend(service.env.clone());
    given
}

impl Environment {
    fn set(&mut self, prefix: &str, part: &str, value: &str) {
        self.variables.insert(format!("{prefix}_{part}"), value.to_owned());
    }

    fn secret(&mut self, prefix: &str, part: &str, value: String) {
        let name = format!("{prefix}_{part}");
        self.secrets.insert(name.clone());
        self.variables.insert(name, value);
    }
}

/// As on AWS: `DATABASE` for the only one of a service, `ORDERS_DATABASE` for each of several.
fn prefix(what: &str, name: &str, of_its_sort: usize) -> String {
    match of_its_sort {
        1 => what.to_owned(),
        _ => format!("{}_{what}", name.to_uppercase().replace('-', "_")),
    }
}
