//! The environment of a service: the names that `uses:` gives it on AWS, with the values of this machine.

use std::collections::{BTreeMap, BTreeSet};

use super::{Given, User, Value, given};
use crate::sections::databases::{replica, schema};
use crate::sections::functions::{API, migration};
use crate::sections::machine::{Making, region};
use crate::sections::queues::MESSAGING;
use crate::sections::queues::local::url;
use crate::sections::search::local::endpoint;
use crate::sections::services::WEB;
use crate::sections::tables::{ENGINE, local as tables};
use crate::sections::topics::local::arn;

#[derive(Default)]
pub(crate) struct Environment {
    pub(crate) variables: BTreeMap<String, String>,
    /// The variables whose values are masked wherever they would be shown.
    pub(crate) secrets: BTreeSet<String>,
}

/// The variables of a service or a function. Those of `env` come on top.
pub(crate) fn of(making: &Making<'_>, user: User<'_>, env: &BTreeMap<String, String>) -> Environment {
    let mut environment = Environment::default();
    for given in given(&making.loaded.stack, user) {
        let host = || "127.0.0.1".to_owned();
        let port = |thing: &str| making.port(thing).to_string();
        let value = match given.value {
            Value::DatabaseHost(_) | Value::CacheHost(_) => {
                // A server that listens on the loopback interface alone needs no TLS.
                environment.set(given.beside("TLS"), "off".to_owned());
                host()
            }
            Value::ReplicaHost(thing) => {
                // On AWS the replica has the port of the primary.
                environment.set(given.beside("REPLICA_PORT"), port(&replica(thing)));
                host()
            }
            Value::CacheReaderHost(_) => host(),
            Value::DatabasePort(thing) | Value::CachePort(thing) => port(thing),
            Value::DatabaseName(thing) => schema(thing),
            Value::AppUser(_) => "app".to_owned(),
            Value::OwnerUser(_) => "owner".to_owned(),
            Value::TopicArn(thing) => arn(making, thing),
            Value::QueueUrl(thing) => url(making, thing),
            Value::TableName(thing) => tables::called(making, thing),
            Value::SearchEndpoint(thing) => match endpoint(making, thing) {
                Some(endpoint) => endpoint,
                None => continue,
            },
            Value::AppPassword(_) => environment.secret(&given, making.keys.get("app")),
            Value::OwnerPassword(_) => environment.secret(&given, making.keys.get("owner")),
            Value::Secret(name) => environment.secret(&given, making.keys.get(name)),
            Value::ApiUrl => format!("http://127.0.0.1:{}", making.port(API)),
            Value::BalancerUrl => format!("http://127.0.0.1:{}", making.port(WEB)),
            Value::CacheToken(_) => environment.secret(&given, making.keys.get("cache")),
        };
        environment.set(given.name(), value);
    }
    environment.aws(making);
    let is_given = |environment: &Environment, name: &String| environment.variables.contains_key(name);
    for (name, value) in env {
        // An empty text takes nothing away.
        if !(value.is_empty() && is_given(&environment, name)) {
            environment.set(name.clone(), value.clone());
        }
    }
    environment
}

/// The parts that have to be ready before a service or a function starts.
pub(crate) fn after(making: &Making<'_>, user: User<'_>) -> Vec<String> {
    let stack = &making.loaded.stack;
    let mut after = Vec::new();
    for thing in user.uses.iter().chain(user.owns) {
        if let Some(database) = stack.databases.get(thing) {
            let is_migrated = stack.owned_by_functions().any(|(owned, ..)| owned == thing);
            after.push(match is_migrated {
                true => migration(&thing.0),
                false => making.roles.pair(&thing.0, database.replica).primary,
            });
        } else if stack.caches.contains_key(thing) {
            after.push(thing.0.clone());
        } else if stack.topics.contains_key(thing) || stack.queues.contains_key(thing) {
            after.push(MESSAGING.to_owned());
        } else if stack.tables.contains_key(thing) {
            after.extend([MESSAGING, ENGINE].map(str::to_owned));
        }
    }
    after.sort();
    after.dedup();
    after
}

impl Environment {
    /// Adds the variables that the SDK of a service finds. On AWS a task has a role for that.
    pub(crate) fn aws(&mut self, making: &Making<'_>) {
        let endpoint = format!("http://127.0.0.1:{}", making.port(MESSAGING));
        for (name, value) in [
            ("AWS_REGION", region(making.loaded).as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ] {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn set(&mut self, name: String, value: String) {
        self.variables.insert(name, value);
    }

    fn secret(&mut self, given: &Given<'_>, value: String) -> String {
        self.secrets.insert(given.name());
        value
    }
}
