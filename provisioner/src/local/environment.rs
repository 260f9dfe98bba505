//! The environment of a service: the names that `uses:` gives it on AWS, with what they are here.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Making;
use crate::expand::{Prefix, Used, schema, used};
use crate::stack::{Name, Service};

pub(super) struct Environment {
    pub(super) variables: BTreeMap<String, String>,
    /// Those that are masked wherever they would be shown.
    pub(super) secrets: BTreeSet<String>,
}

pub(super) fn of(making: &Making<'_>, name: &str, service: &Service, port: u16) -> Environment {
    let stack = &making.loaded.stack;
    let Used { databases, caches, topics, queues, searches } = used(stack, service);
    let mut given = Environment { variables: BTreeMap::new(), secrets: BTreeSet::new() };
    for thing in &databases {
        let prefix = Prefix::new("DATABASE", thing, databases.len());
        let replica = stack.databases[&Name((*thing).into())].replica;
        given.set(&prefix, "HOST", "127.0.0.1");
        given.set(&prefix, "PORT", &making.port(thing).to_string());
        given.set(&prefix, "NAME", &schema(thing));
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
    for thing in &caches {
        let prefix = Prefix::new("CACHE", thing, caches.len());
        given.set(&prefix, "HOST", "127.0.0.1");
        given.set(&prefix, "READER_HOST", "127.0.0.1");
        given.set(&prefix, "PORT", &making.port(thing).to_string());
        given.set(&prefix, "TLS", "off");
        given.secret(&prefix, "TOKEN", making.keys.get("cache"));
    }
    for thing in &topics {
        given.set(&Prefix::new("TOPIC", thing, topics.len()), "ARN", &making.topic_arn(thing));
    }
    for thing in &queues {
        given.set(&Prefix::new("QUEUE", thing, queues.len()), "URL", &making.queue_url(thing));
    }
    for thing in &searches {
        if let Some(endpoint) = making.search_endpoint(thing) {
            given.set(&Prefix::new("SEARCH", thing, searches.len()), "ENDPOINT", &endpoint);
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
    fn set(&mut self, prefix: &Prefix, part: &str, value: &str) {
        self.variables.insert(prefix.with(part), value.to_owned());
    }

    fn secret(&mut self, prefix: &Prefix, part: &str, value: String) {
        let name = prefix.with(part);
        self.secrets.insert(name.clone());
        self.variables.insert(name, value);
    }
}
