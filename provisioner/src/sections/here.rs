//! Stack file -> parts: which processes, with what, after which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use local::dashboard::part::NAME as DASHBOARD;
use local::engines::find::Places;
use local::engines::{mariadb, ports as files, redis};
use local::messaging;
use local::supervisor::part::Part;
use local::supervisor::place::{Place, private_directory};
use local::supervisor::probe::Probe;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::environment::Environment;
use super::keys::Keys;
use super::programs::{self, Programs};
use super::roles::Roles;
use super::search::Search;
use super::services;
use super::{Laptop, Purpose, Servers, cache, dashboard};
use crate::scope::{Scope, hex};
use crate::stack::{DEAD_LETTER_RETENTION, Database, Loaded, Name, Queue, database_schema, dead_letter_name};

/// The account id that names and ARNs have where the stack file says none.
const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "us-east-1";
pub(super) const MESSAGING: &str = "messaging";
pub(super) const BALANCER: &str = "web";

/// What everything is made from.
pub(super) struct Making<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) keys: &'a Keys,
    pub(super) roles: &'a Roles,
    pub(super) place: &'a Place,
    ports: &'a BTreeMap<String, u16>,
    database: Option<mariadb::Program>,
    cache: Option<PathBuf>,
    pub(super) search: Search,
    pub(super) program: PathBuf,
    pub(super) laptop: Laptop,
    pub(super) purpose: Purpose,
}

/// The names of everything that listens.
pub(super) fn ports(loaded: &Loaded) -> Vec<String> {
    let stack = &loaded.stack;
    let mut names: Vec<String> = Vec::new();
    for (name, database) in &stack.databases {
        names.push(name.0.clone());
        names.extend(database.replica.then(|| replica_name(&name.0)));
    }
    names
        .extend(stack.caches.keys().chain(stack.search.keys()).chain(stack.services.keys()).map(|name| name.0.clone()));
    if !stack.topics.is_empty() || !stack.queues.is_empty() {
        names.push(MESSAGING.to_owned());
    }
    if stack.services.values().any(|service| service.http.is_some()) {
        names.push(BALANCER.to_owned());
    }
    names.push(DASHBOARD.to_owned());
    names
}

pub(super) fn expand(
    loaded: &Loaded,
    place: &Place,
    keys: &Keys,
    roles: &Roles,
    ports: &BTreeMap<String, u16>,
    purpose: Purpose,
) -> anyhow::Result<Laptop> {
    let Programs { database, cache, search } = programs::find(&Places::of_this_machine(), &loaded.stack)?;
    let laptop = Laptop {
        place: place.clone(),
        parts: Vec::new(),
        databases: Vec::new(),
        sections: BTreeMap::new(),
        outputs: BTreeMap::new(),
        notes: Vec::new(),
        probe: None,
    };
    let program = std::env::current_exe().context("finding this program")?;
    let mut making = Making { loaded, keys, roles, place, ports, database, cache, search, program, laptop, purpose };
    databases(&mut making)?;
    caches(&mut making)?;
    messages(&mut making)?;
    searches(&mut making)?;
    services::expand(&mut making)?;
    dashboard::expand(&mut making)?;
    Ok(making.laptop)
}

impl Making<'_> {
    pub(super) fn port(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or_default()
    }

    pub(super) fn topic_arn(&self, name: &str) -> String {
        self.scope().arn("sns", &self.topic(name))
    }

    /// The scope that AWS would have, so that names are the same there and here.
    fn scope(&self) -> Scope {
        Scope::of(self.loaded, account(self.loaded), region(self.loaded))
    }

    pub(super) fn queue_url(&self, name: &str) -> String {
        format!(
            "http://127.0.0.1:{}/{account}/{}",
            self.port(MESSAGING),
            self.queue(name),
            account = account(self.loaded)
        )
    }

    pub(super) fn search_endpoint(&self, name: &str) -> Option<String> {
        match &self.search {
            Search::Theirs(url) => Some(url.clone()),
            Search::Light(_) | Search::Installed(_) | Search::Fetched { .. } => {
                Some(format!("http://127.0.0.1:{}", self.port(name)))
            }
            Search::None => None,
        }
    }

    /// What the SDK of a service finds, instead of a task's role.
    pub(super) fn aws(&self, environment: &mut Environment) {
        let endpoint = format!("http://127.0.0.1:{}", self.port(MESSAGING));
        for (name, value) in [
            ("AWS_REGION", region(self.loaded).as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ] {
            environment.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    fn topic(&self, name: &str) -> String {
        let fifo = self.loaded.stack.topics.get(&Name(name.into())).is_some_and(|topic| topic.fifo);
        self.named(name, fifo)
    }

    fn queue(&self, name: &str) -> String {
        let fifo = self.loaded.stack.queues.get(&Name(name.into())).is_some_and(|queue| queue.fifo);
        self.named(name, fifo)
    }

    pub(super) fn named(&self, name: &str, fifo: bool) -> String {
        named(self.loaded, name, fifo)
    }

    pub(super) fn directory(&self, name: &str) -> PathBuf {
        self.place.state().join("data").join(name)
    }

    pub(super) fn add(&mut self, section: impl Into<String>, part: Part) {
        self.laptop.sections.insert(part.name.clone(), section.into());
        self.laptop.parts.push(part);
    }

    pub(super) fn export(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.laptop.outputs.insert(name.into(), serde_json::Value::String(value.into()));
    }
}

/// Whose names topics and queues have here, as on AWS.
pub(crate) fn account(loaded: &Loaded) -> String {
    loaded.stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned())
}

pub(crate) fn region(loaded: &Loaded) -> String {
    loaded.stack.region.clone().unwrap_or_else(|| REGION.to_owned())
}

fn databases(making: &mut Making<'_>) -> anyhow::Result<()> {
    let databases = &making.loaded.stack.databases;
    let Some(program) = making.database.clone().filter(|_| !databases.is_empty()) else { return Ok(()) };
    if program.flavour == mariadb::Flavour::Maria {
        making.laptop.notes.push(format!("databases run on MariaDB {}, not on MySQL", program.version));
    }
    for (name, database) in databases {
        one_database(making, &program, &name.0, database)?;
    }
    Ok(())
}

fn one_database(
    making: &mut Making<'_>,
    program: &mariadb::Program,
    name: &str,
    database: &Database,
) -> anyhow::Result<()> {
    let user = |name: &str, rights| mariadb::User { name: name.to_owned(), password: making.keys.get(name), rights };
    let server = |part: &str, port, role| mariadb::Server {
        name: part.to_owned(),
        directory: making.directory(part),
        socket: making.place.socket(part),
        port,
        database: database_schema(name),
        users: vec![user("owner", mariadb::Rights::Owner), user("app", mariadb::Rights::Rows)],
        replication_password: making.keys.get("replication"),
        role,
    };
    let pair = making.roles.pair(name, database.replica);
    let primary = server(&pair.primary, making.port(name), mariadb::Role::Primary);
    let following = mariadb::Role::Replica { of: primary.port };
    let replica = pair.replica.as_ref().map(|replica| server(replica, making.port(&replica_name(name)), following));
    if let Some(out) = &pair.out {
        let note = format!("`{}` is the primary since it was promoted, and `{out}` is out of service", pair.primary);
        making.laptop.notes.push(note);
    }
    let section = format!("databases.{name}");
    for server in [Some(&primary), replica.as_ref()].into_iter().flatten() {
        if making.purpose == Purpose::Run {
            mariadb::prepare(program, server, &cache()?)?;
        }
        let mut part = mariadb::part(program, server)?;
        if server.name != primary.name {
            part.after = vec![primary.name.clone()];
        }
        making.add(&section, part);
    }
    making.export(format!("{section}.host"), format!("127.0.0.1:{}", primary.port));
    if database.replica {
        let port = making.port(&replica_name(name));
        making.export(format!("{section}.replica_host"), format!("127.0.0.1:{port}"));
    }
    making.laptop.databases.push(Servers { pair, program: program.clone(), primary, replica });
    Ok(())
}

/// Of its address.
pub(super) fn replica_name(database: &str) -> String {
    format!("{database}-replica")
}

fn caches(making: &mut Making<'_>) -> anyhow::Result<()> {
    for name in making.loaded.stack.caches.keys() {
        let program = making.cache.clone().context("no program for caches was looked for")?;
        let cache = redis::Cache {
            name: name.0.clone(),
            directory: making.directory(&name.0),
            socket: making.place.socket(&name.0),
            port: making.port(&name.0),
            password: Some(making.keys.get("cache")),
            tls: None,
            replica_of: None,
        };
        if making.purpose == Purpose::Run {
            redis::prepare(&program, &cache)?;
        }
        let section = format!("caches.{name}");
        making.export(format!("{section}.host"), format!("127.0.0.1:{}", cache.port));
        making.add(section, redis::part(&program, &cache));
    }
    Ok(())
}

/// One process for all topics and queues.
fn messages(making: &mut Making<'_>) -> anyhow::Result<()> {
    let stack = &making.loaded.stack;
    if stack.topics.is_empty() && stack.queues.is_empty() {
        return Ok(());
    }
    let scope = making.scope();
    let mut config =
        messaging::Config { account: scope.account.clone(), region: scope.region.clone(), ..Default::default() };
    if stack.region.is_none() {
        let note = format!(
            "no region is known, so topics and queues have the names of {REGION}: `region:` in the stack file, --region or \
             AWS_REGION say another one"
        );
        making.laptop.notes.push(note);
    }
    for (name, topic) in &stack.topics {
        let fifo = topic.fifo.then(|| ("FifoTopic".to_owned(), "true".to_owned()));
        config.topics.insert(making.topic(&name.0), fifo.into_iter().collect());
    }
    for (name, queue) in &stack.queues {
        let (main, dead) = queue_names(making.loaded, &name.0, queue);
        let arn = scope.arn("sqs", &dead);
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": queue.receives() });
        let mut attributes = attributes(queue);
        attributes.insert("RedrivePolicy".to_owned(), redrive.to_string());
        config.queues.insert(main.clone(), attributes);
        let mut of_dead = BTreeMap::from([("MessageRetentionPeriod".to_owned(), DEAD_LETTER_RETENTION.to_string())]);
        of_dead.extend(queue.fifo.then(|| ("FifoQueue".to_owned(), "true".to_owned())));
        config.queues.insert(dead, of_dead);
        for topic in &queue.from {
            let raw = queue.raw.then(|| ("RawMessageDelivery".to_owned(), "true".to_owned()));
            let topic = making.topic(&topic.0);
            config.subscriptions.push(messaging::Subscription {
                topic,
                queue: main.clone(),
                attributes: raw.into_iter().collect(),
            });
        }
        making.laptop.outputs.insert(format!("queues.{name}.url"), making.queue_url(&name.0).into());
    }
    for name in stack.topics.keys() {
        making.laptop.outputs.insert(format!("topics.{name}.arn"), making.topic_arn(&name.0).into());
    }
    let directory = making.directory(MESSAGING);
    let file = directory.join("config.json");
    let bytes = serde_json::to_vec_pretty(&config)?;
    if making.purpose == Purpose::Run {
        private_directory(&directory)?;
        files::write(&file, &bytes)?;
    }
    let port = making.port(MESSAGING);
    let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no UTF-8");
    let part = Part {
        args: vec!["local".into(), "messages".into(), words(&file)?, words(&directory)?, port.to_string()],
        port: Some(port),
        ready: Probe::Tcp { port },
        generation: hex(&Sha256::digest(&bytes)[..12]),
        ..Part::new(MESSAGING, "topics and queues", &making.program)
    };
    making.add("topics, queues", part);
    Ok(())
}

/// Of the queue, and of the one for its dead letters.
pub(super) fn queue_names(loaded: &Loaded, name: &str, queue: &Queue) -> (String, String) {
    (named(loaded, name, queue.fifo), named(loaded, &dead_letter_name(name), queue.fifo))
}

/// What a topic or a queue is called, as on AWS.
pub(crate) fn named(loaded: &Loaded, name: &str, fifo: bool) -> String {
    let suffix = if fifo { ".fifo" } else { "" };
    format!("{}-{}-{name}{suffix}", loaded.stack.stack, loaded.env)
}

fn attributes(queue: &Queue) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::from([
        ("VisibilityTimeout".to_owned(), queue.visibility_seconds().to_string()),
        ("MessageRetentionPeriod".to_owned(), queue.retention_seconds().to_string()),
        ("DelaySeconds".to_owned(), queue.delay_seconds().to_string()),
    ]);
    if queue.fifo {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    attributes
}

fn searches(making: &mut Making<'_>) -> anyhow::Result<()> {
    let names: Vec<String> = making.loaded.stack.search.keys().map(|name| name.0.clone()).collect();
    if !names.is_empty() {
        making.laptop.notes.push(making.search.note());
    }
    for name in names {
        let directory = making.directory(&name);
        let parts = making.search.parts(&name, making.port(&name), &directory, &making.program);
        if making.purpose == Purpose::Run && !parts.is_empty() {
            private_directory(&directory)?;
        }
        for part in parts {
            making.add(format!("search.{name}"), part);
        }
        if let Some(endpoint) = making.search_endpoint(&name) {
            making.export(format!("search.{name}.endpoint"), endpoint);
        }
    }
    Ok(())
}
