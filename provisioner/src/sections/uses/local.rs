//! The environment of a service: the names that `uses:` gives it on AWS, with what they are here.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::{Making, replica_name};
use crate::stack::{self, Given, Service, Value, database_schema};

pub(super) struct Environment {
    pub(super) variables: BTreeMap<String, String>,
    /// Those that are masked wherever they would be shown.
    pub(super) secrets: BTreeSet<String>,
}

pub(super) fn of(making: &Making<'_>, name: &str, service: &Service, port: u16) -> Environment {
    let mut environment = Environment { variables: BTreeMap::new(), secrets: BTreeSet::new() };
    for given in stack::given(&making.loaded.stack, service) {
        let host = || "127.0.0.1".to_owned();
        let port = |thing: &str| making.port(thing).to_string();
        let value = match given.value {
            Value::DatabaseHost(_) | Value::CacheHost(_) => {
                // What listens on the loopback interface alone needs none.
                environment.set(given.beside("TLS"), "off".to_owned());
                host()
            }
            Value::ReplicaHost(thing) => {
                // On AWS it has the port of the primary.
                environment.set(given.beside("REPLICA_PORT"), port(&replica_name(thing)));
                host()
            }
            Value::CacheReaderHost(_) => host(),
            Value::DatabasePort(thing) | Value::CachePort(thing) => port(thing),
            Value::DatabaseName(thing) => database_schema(thing),
            Value::AppUser(_) => "app".to_owned(),
            Value::OwnerUser(_) => "owner".to_owned(),
            Value::TopicArn(thing) => making.topic_arn(thing),
            Value::QueueUrl(thing) => making.queue_url(thing),
            Value::SearchEndpoint(thing) => match making.search_endpoint(thing) {
                Some(endpoint) => endpoint,
                None => continue,
            },
            Value::AppPassword(_) => environment.secret(&given, making.keys.get("app")),
            Value::OwnerPassword(_) => environment.secret(&given, making.keys.get("owner")),
            Value::CacheToken(_) => environment.secret(&given, making.keys.get("cache")),
        };
        environment.set(given.name(), value);
    }
    making.aws(&mut environment);
    for (key, value) in [("HOST", "127.0.0.1"), ("PORT", &port.to_string()), ("SERVICE_NAME", name)] {
        environment.set(key.to_owned(), value.to_owned());
    }
    environment.variables.extend(service.env.clone());
    environment
}

impl Environment {
    fn set(&mut self, name: String, value: String) {
        self.variables.insert(name, value);
    }

    fn secret(&mut self, given: &Given<'_>, value: String) -> String {
        self.secrets.insert(given.name());
        value
    }
}
