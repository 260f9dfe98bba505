//! `uses:` of a service: the things that it uses, and the environment variables that it gets for them. They are the
//! same on AWS and on a laptop.
//!
//! [`aws`]: the values of the variables, the firewall rules and the IAM statements. [`local`]: the values on this
//! machine.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;

use super::Stack;
use super::functions::{Function, address_variable};
use super::services::Service;
use super::words::{Name, variable};

/// The things that a service uses, by sort and then by name.
pub(crate) struct Used<'a> {
    pub(crate) databases: Vec<&'a str>,
    pub(crate) caches: Vec<&'a str>,
    pub(crate) topics: Vec<&'a str>,
    pub(crate) queues: Vec<&'a str>,
    pub(crate) tables: Vec<&'a str>,
    pub(crate) searches: Vec<&'a str>,
    pub(crate) secrets: Vec<&'a str>,
    pub(crate) functions: Vec<&'a str>,
    pub(crate) services: Vec<&'a str>,
}

/// A service or a function, as the things that it uses see it.
#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) uses: &'a [Name],
    pub(crate) owns: &'a [Name],
}

impl Service {
    pub(crate) fn user(&self) -> User<'_> {
        User { uses: &self.uses, owns: &self.owns }
    }
}

impl Function {
    pub(crate) fn user(&self) -> User<'_> {
        User { uses: &self.uses, owns: &self.owns }
    }
}

pub(crate) fn used<'a>(stack: &Stack, user: User<'a>) -> Used<'a> {
    let mut things: Vec<&Name> = user.uses.iter().chain(user.owns).collect();
    things.sort();
    things.dedup();
    let pick =
        |known: &dyn Fn(&Name) -> bool| things.iter().filter(|name| known(name)).map(|name| name.0.as_str()).collect();
    Used {
        databases: pick(&|name| stack.databases.contains_key(name)),
        caches: pick(&|name| stack.caches.contains_key(name)),
        topics: pick(&|name| stack.topics.contains_key(name)),
        queues: pick(&|name| stack.queues.contains_key(name)),
        tables: pick(&|name| stack.tables.contains_key(name)),
        searches: pick(&|name| stack.search.contains_key(name)),
        secrets: pick(&|name| stack.secrets.contains_key(name)),
        functions: pick(&|name| stack.functions.contains_key(name)),
        services: pick(&|name| stack.services.contains_key(name)),
    }
}

/// An environment variable of a service.
pub(crate) struct Given<'a> {
    /// The prefix is `DATABASE` for the only database of a service, and `ORDERS_DATABASE` for each of several.
    prefix: String,
    part: &'static str,
    pub(crate) value: Value<'a>,
}

/// The source of its value: a part of the thing of this name.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    DatabaseHost(&'a str),
    DatabasePort(&'a str),
    DatabaseName(&'a str),
    ReplicaHost(&'a str),
    AppUser(&'a str),
    AppPassword(&'a str),
    OwnerUser(&'a str),
    OwnerPassword(&'a str),
    CacheHost(&'a str),
    CacheReaderHost(&'a str),
    CachePort(&'a str),
    CacheToken(&'a str),
    TopicArn(&'a str),
    QueueUrl(&'a str),
    TableName(&'a str),
    SearchEndpoint(&'a str),
    /// A secret of the stack file, which has a variable of its own name.
    Secret(&'a str),
    /// The scheme and the host of a function, which are those of the stack's one HTTP API.
    ApiUrl,
    /// The scheme and the host of a service, which are those of the stack's one load balancer.
    BalancerUrl,
}

impl Given<'_> {
    /// Whether the value is a secret, which no environment of a function has in it.
    pub(crate) fn is_secret(&self) -> bool {
        match self.value {
            Value::AppUser(_)
            | Value::AppPassword(_)
            | Value::OwnerUser(_)
            | Value::OwnerPassword(_)
            | Value::CacheToken(_)
            | Value::Secret(_) => true,
            Value::DatabaseHost(_)
            | Value::DatabasePort(_)
            | Value::DatabaseName(_)
            | Value::ReplicaHost(_)
            | Value::CacheHost(_)
            | Value::CacheReaderHost(_)
            | Value::CachePort(_)
            | Value::TopicArn(_)
            | Value::QueueUrl(_)
            | Value::TableName(_)
            | Value::SearchEndpoint(_)
            | Value::ApiUrl
            | Value::BalancerUrl => false,
        }
    }

    pub(crate) fn name(&self) -> String {
        match self.value {
            Value::Secret(_) | Value::ApiUrl | Value::BalancerUrl => self.prefix.clone(),
            _ => self.beside(self.part),
        }
    }

    /// The name of another variable of the same thing.
    pub(crate) fn beside(&self, part: &str) -> String {
        format!("{}_{part}", self.prefix)
    }
}

pub(crate) fn given<'a>(stack: &Stack, user: User<'a>) -> Vec<Given<'a>> {
    let Used { databases, caches, topics, queues, tables, searches, secrets, functions, services } = used(stack, user);
    let mut all = Vec::new();
    for name in &databases {
        let mut parts = vec![
            ("HOST", Value::DatabaseHost(name)),
            ("PORT", Value::DatabasePort(name)),
            ("NAME", Value::DatabaseName(name)),
        ];
        if stack.databases.get(&Name((*name).to_owned())).is_some_and(|database| database.replica) {
            parts.push(("REPLICA_HOST", Value::ReplicaHost(name)));
        }
        parts.extend([("USER", Value::AppUser(name)), ("PASSWORD", Value::AppPassword(name))]);
        if user.owns.iter().any(|owned| owned.0 == *name) {
            parts.extend([("OWNER_USER", Value::OwnerUser(name)), ("OWNER_PASSWORD", Value::OwnerPassword(name))]);
        }
        add(&mut all, "DATABASE", (name, databases.len()), parts);
    }
    for name in &caches {
        let parts = vec![
            ("HOST", Value::CacheHost(name)),
            ("READER_HOST", Value::CacheReaderHost(name)),
            ("PORT", Value::CachePort(name)),
            ("TOKEN", Value::CacheToken(name)),
        ];
        add(&mut all, "CACHE", (name, caches.len()), parts);
    }
    for name in &topics {
        add(&mut all, "TOPIC", (name, topics.len()), vec![("ARN", Value::TopicArn(name))]);
    }
    for name in &queues {
        add(&mut all, "QUEUE", (name, queues.len()), vec![("URL", Value::QueueUrl(name))]);
    }
    // A table's variable has the table's name in front, also if it is the only one.
    all.extend(tables.iter().map(|name| Given {
        prefix: variable(name),
        part: "TABLE",
        value: Value::TableName(name),
    }));
    for name in &searches {
        add(&mut all, "SEARCH", (name, searches.len()), vec![("ENDPOINT", Value::SearchEndpoint(name))]);
    }
    all.extend(secrets.iter().map(|name| Given { prefix: variable(name), part: "", value: Value::Secret(name) }));
    let url = |name: &&'a str, value| Given { prefix: address_variable(name), part: "", value };
    all.extend(functions.iter().map(|name| url(name, Value::ApiUrl)));
    all.extend(services.iter().map(|name| url(name, Value::BalancerUrl)));
    all
}

fn add<'a>(
    all: &mut Vec<Given<'a>>,
    what: &str,
    (name, of_its_sort): (&str, usize),
    parts: Vec<(&'static str, Value<'a>)>,
) {
    let prefix = match of_its_sort {
        1 => what.to_owned(),
        _ => format!("{}_{what}", variable(name)),
    };
    all.extend(parts.into_iter().map(|(part, value)| Given { prefix: prefix.clone(), part, value }));
}
