//! `uses:` — one fact, three artefacts: the environment variable, the firewall rule and the IAM statement.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Making, cache, database, network, search};
use crate::kind::Ref;
use crate::kinds::ec2::Rule;
use crate::kinds::ecs::FromSecret;
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::variable::Variable;
use crate::stack::{Name, Service, Stack};

/// What a service gets by what it uses.
#[derive(Default)]
pub(super) struct Given {
    pub(super) environment: Vec<(String, Variable)>,
    pub(super) secrets: Vec<FromSecret>,
    pub(super) egress: Vec<Rule>,
    pub(super) statements: Vec<Statement>,
}

/// The services that use something, by the names of their firewall groups.
pub(super) fn of(making: &Making<'_>, thing: &str) -> Vec<String> {
    making.users.get(thing).cloned().unwrap_or_default()
}

/// For everything that services use, the services that do.
pub(super) fn users(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, service) in &stack.services {
        let things: BTreeSet<&Name> = service.uses.iter().chain(&service.owns).collect();
        for thing in things {
            users.entry(thing.0.clone()).or_default().push(name.0.clone());
        }
    }
    users
}

/// What a service uses, by sort, and by name in each.
pub(crate) struct Used<'a> {
    pub(crate) databases: Vec<&'a str>,
    pub(crate) caches: Vec<&'a str>,
    pub(crate) topics: Vec<&'a str>,
    pub(crate) queues: Vec<&'a str>,
    pub(crate) searches: Vec<&'a str>,
}

pub(crate) fn used<'a>(stack: &Stack, service: &'a Service) -> Used<'a> {
    let mut things: Vec<&Name> = service.uses.iter().chain(&service.owns).collect();
    things.sort();
    things.dedup();
    let pick =
        |known: &dyn Fn(&Name) -> bool| things.iter().filter(|name| known(name)).map(|name| name.0.as_str()).collect();
    Used {
        databases: pick(&|name| stack.databases.contains_key(name)),
        caches: pick(&|name| stack.caches.contains_key(name)),
        topics: pick(&|name| stack.topics.contains_key(name)),
        queues: pick(&|name| stack.queues.contains_key(name)),
        searches: pick(&|name| stack.search.contains_key(name)),
    }
}

pub(super) fn given(making: &Making<'_>, service: &Service) -> Given {
    let stack = &making.loaded.stack;
    let Used { databases, caches, topics, queues, searches } = used(stack, service);
    let mut given = Given::default();
    for name in &databases {
        let owns = service.owns.iter().any(|owned| owned.0 == *name);
        given.database(
            &Prefix::new("DATABASE", name, databases.len()),
            name,
            stack.databases[&Name((*name).into())].replica,
            owns,
        );
    }
    for name in &caches {
        given.cache(&Prefix::new("CACHE", name, caches.len()), name);
    }
    for name in &topics {
        given.topic(making, &Prefix::new("TOPIC", name, topics.len()), name);
    }
    for name in &queues {
        given.queue(&Prefix::new("QUEUE", name, queues.len()), name);
    }
    for name in &searches {
        given.search(making, &Prefix::new("SEARCH", name, searches.len()), name);
    }
    given
}

/// `DATABASE_HOST` for the only database of a service; `ORDERS_DATABASE_HOST` for each of several.
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn new(what: &str, name: &str, of_its_sort: usize) -> Prefix {
        match of_its_sort {
            1 => Prefix(what.to_owned()),
            _ => Prefix(format!("{}_{what}", name.to_uppercase().replace('-', "_"))),
        }
    }

    pub(crate) fn with(&self, part: &str) -> String {
        format!("{}_{part}", self.0)
    }
}

impl Given {
    fn set(&mut self, name: String, variable: Variable) {
        self.environment.push((name, variable));
    }

    fn secret(&mut self, name: String, secret: String, key: &str) {
        self.secrets.push(FromSecret { name, secret: Ref::to(secret), key: key.to_owned() });
    }

    fn allow(&mut self, actions: &[&str], resources: Vec<Resource>, condition: Value) {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        self.statements.push(Statement { actions, resources, condition });
    }

    fn database(&mut self, prefix: &Prefix, name: &str, replica: bool, owns: bool) {
        self.set(prefix.with("HOST"), Variable::DatabaseHost(Ref::to(name)));
        self.set(prefix.with("PORT"), Variable::Text(database::PORT.to_string()));
        self.set(prefix.with("NAME"), Variable::Text(database::schema(name)));
        if replica {
            self.set(prefix.with("REPLICA_HOST"), Variable::ReplicaHost(Ref::to(database::replica(name))));
        }
        self.secret(prefix.with("USER"), database::app(name), "username");
        self.secret(prefix.with("PASSWORD"), database::app(name), "password");
        if owns {
            self.secret(prefix.with("OWNER_USER"), database::master(name), "username");
            self.secret(prefix.with("OWNER_PASSWORD"), database::master(name), "password");
        }
        self.egress.push(network::from_group(database::firewall(name), database::PORT));
    }

    fn cache(&mut self, prefix: &Prefix, name: &str) {
        self.set(prefix.with("HOST"), Variable::CacheHost(Ref::to(name)));
        self.set(prefix.with("READER_HOST"), Variable::CacheReaderHost(Ref::to(name)));
        self.set(prefix.with("PORT"), Variable::Text(cache::PORT.to_string()));
        self.secret(prefix.with("TOKEN"), cache::token(name), "token");
        self.egress.push(network::from_group(cache::firewall(name), cache::PORT));
    }

    fn topic(&mut self, making: &Making<'_>, prefix: &Prefix, name: &str) {
        self.set(prefix.with("ARN"), Variable::TopicArn(Ref::to(name)));
        self.allow(&["sns:Publish"], vec![Resource::Topic(Ref::to(name))], Value::Null);
        // Publishing to an encrypted topic takes the key too (SNS developer guide, key management).
        let through = json!({"StringEquals": {"kms:ViaService": format!("sns.{}.amazonaws.com", making.scope.region)}});
        self.allow(&["kms:Decrypt", "kms:GenerateDataKey"], vec![Resource::Key(making.key())], through);
    }

    fn queue(&mut self, prefix: &Prefix, name: &str) {
        self.set(prefix.with("URL"), Variable::QueueUrl(Ref::to(name)));
        let actions = [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ];
        self.allow(&actions, vec![Resource::Queue(Ref::to(name))], Value::Null);
    }

    fn search(&mut self, making: &Making<'_>, prefix: &Prefix, name: &str) {
        self.set(prefix.with("ENDPOINT"), Variable::LateSearchEndpoint(Ref::to(name)));
        let domain = making.scope.arn("es", &format!("domain/{}/*", making.scope.name(name, 28)));
        self.allow(&["es:ESHttpGet", "es:ESHttpPost"], vec![Resource::Arn(domain)], Value::Null);
        if making.prod() {
            self.egress.push(network::from_group(search::firewall(name), search::PORT));
        }
    }
}
