//! Stack file -> parts: which processes, with what, after which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use local::balancer;
use local::balancer::config::{Config as Routes, Group, Health, Rule};
use local::engines::find::Places;
use local::engines::{mariadb, ports as files, redis};
use local::messaging;
use local::supervisor::part::{Part, Stop, StopSignal};
use local::supervisor::place::{Place, private_directory};
use local::supervisor::probe::Probe;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::environment::{self, Environment};
use super::keys::Keys;
use super::search::{self, Search};
use super::{Laptop, Purpose, cache};
use crate::expand::priorities;
use crate::image::{Architecture, find_runtime};
use crate::scope::hex;
use crate::stack::{Database, Http, Loaded, Name, Queue, Service};

const ACCOUNT: &str = "000000000000";
/// What every request is signed for; nothing checks it.
const REGION: &str = "us-east-1";
const MESSAGING: &str = "messaging";
const BALANCER: &str = "web";

/// What everything is made from.
pub(super) struct Making<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) keys: &'a Keys,
    place: &'a Place,
    ports: &'a BTreeMap<String, u16>,
    places: Places,
    search: Search,
    program: PathBuf,
    laptop: Laptop,
    purpose: Purpose,
}

/// The names of everything that listens.
pub(super) fn ports(loaded: &Loaded) -> Vec<String> {
    let stack = &loaded.stack;
    let mut names: Vec<String> = Vec::new();
    for (name, database) in &stack.databases {
        names.push(name.0.clone());
        names.extend(database.replica.then(|| format!("{name}-replica")));
    }
    names
        .extend(stack.caches.keys().chain(stack.search.keys()).chain(stack.services.keys()).map(|name| name.0.clone()));
    if !stack.topics.is_empty() || !stack.queues.is_empty() {
        names.push(MESSAGING.to_owned());
    }
    if stack.services.values().any(|service| service.http.is_some()) {
        names.push(BALANCER.to_owned());
    }
    names
}

pub(super) fn expand(
    loaded: &Loaded,
    place: &Place,
    keys: &Keys,
    ports: &BTreeMap<String, u16>,
    purpose: Purpose,
) -> anyhow::Result<Laptop> {
    let places = Places::of_this_machine();
    let laptop = Laptop {
        place: place.clone(),
        parts: Vec::new(),
        sections: BTreeMap::new(),
        outputs: BTreeMap::new(),
        notes: Vec::new(),
        probe: None,
    };
    let program = std::env::current_exe().context("finding this program")?;
    let search = search::find(&places);
    let mut making = Making { loaded, keys, place, ports, places, search, program, laptop, purpose };
    databases(&mut making)?;
    caches(&mut making)?;
    messages(&mut making)?;
    searches(&mut making);
    services(&mut making)?;
    shipping(&mut making)?;
    Ok(making.laptop)
}

impl Making<'_> {
    pub(super) fn port(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or_default()
    }

    pub(super) fn topic_arn(&self, name: &str) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", self.topic(name))
    }

    pub(super) fn queue_url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/{}", self.port(MESSAGING), self.queue(name))
    }

    pub(super) fn search_endpoint(&self, name: &str) -> Option<String> {
        match &self.search {
            Search::Theirs(url) => Some(url.clone()),
            Search::Light(_) => Some(format!("http://127.0.0.1:{}", self.port(name))),
            Search::None => None,
        }
    }

    /// What the SDK of a service finds, instead of a task's role.
    pub(super) fn aws(&self, environment: &mut Environment) {
        let endpoint = format!("http://127.0.0.1:{}", self.port(MESSAGING));
        for (name, value) in [
            ("AWS_REGION", REGION),
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

    fn named(&self, name: &str, fifo: bool) -> String {
        let suffix = if fifo { ".fifo" } else { "" };
        format!("{}-{}-{name}{suffix}", self.loaded.stack.stack, self.loaded.env)
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.place.state().join("data").join(name)
    }

    fn add(&mut self, section: impl Into<String>, part: Part) {
        self.laptop.sections.insert(part.name.clone(), section.into());
        self.laptop.parts.push(part);
    }

    fn export(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.laptop.outputs.insert(name.into(), value.into());
    }
}

fn databases(making: &mut Making<'_>) -> anyhow::Result<()> {
    let databases = &making.loaded.stack.databases;
    if databases.is_empty() {
        return Ok(());
    }
    let program = mariadb::find(&making.places, &mariadb::Choice::Auto)?;
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
    let server = |name: &str, role| mariadb::Server {
        name: name.to_owned(),
        directory: making.directory(name),
        socket: making.place.socket(name),
        port: making.port(name),
        database: name.trim_end_matches("-replica").replace('-', "_"),
        users: vec![user("owner", mariadb::Rights::Owner), user("app", mariadb::Rights::Rows)],
        replication_password: making.keys.get("replication"),
        role,
    };
    let primary = server(name, mariadb::Role::Primary);
    let replica_name = format!("{name}-replica");
    let replica = database.replica.then(|| {
        let mut replica = server(&replica_name, mariadb::Role::Replica { of: primary.port });
        replica.database.clone_from(&primary.database);
        replica
    });
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
    if let Some(replica) = &replica {
        making.export(format!("{section}.replica_host"), format!("127.0.0.1:{}", replica.port));
    }
    Ok(())
}

fn caches(making: &mut Making<'_>) -> anyhow::Result<()> {
    for name in making.loaded.stack.caches.keys() {
        let program = redis::find(&making.places, None)?;
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
    let mut config = messaging::Config { account: ACCOUNT.into(), region: REGION.into(), ..Default::default() };
    for (name, topic) in &stack.topics {
        let fifo = topic.fifo.then(|| ("FifoTopic".to_owned(), "true".to_owned()));
        config.topics.insert(making.topic(&name.0), fifo.into_iter().collect());
    }
    for (name, queue) in &stack.queues {
        let main = making.queue(&name.0);
        let dead = making.named(&format!("{name}-dead"), queue.fifo);
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}");
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": queue.max_receives.unwrap_or(5) });
        let mut attributes = attributes(queue);
        attributes.insert("RedrivePolicy".to_owned(), redrive.to_string());
        config.queues.insert(main.clone(), attributes);
        let mut of_dead = BTreeMap::from([("MessageRetentionPeriod".to_owned(), "1209600".to_owned())]);
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
        making.laptop.outputs.insert(format!("queues.{name}.url"), making.queue_url(&name.0));
    }
    for name in stack.topics.keys() {
        making.laptop.outputs.insert(format!("topics.{name}.arn"), making.topic_arn(&name.0));
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

fn attributes(queue: &Queue) -> BTreeMap<String, String> {
    let seconds = |span: &Option<crate::stack::Span>, default: u64| {
        span.as_ref().map_or(default, crate::stack::Span::seconds).to_string()
    };
    let mut attributes = BTreeMap::from([
        ("VisibilityTimeout".to_owned(), seconds(&queue.visibility_timeout, 30)),
        ("MessageRetentionPeriod".to_owned(), seconds(&queue.retention, 345_600)),
        ("DelaySeconds".to_owned(), seconds(&queue.delay, 0)),
    ]);
    if queue.fifo {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    attributes
}

fn searches(making: &mut Making<'_>) {
    for name in making.loaded.stack.search.keys() {
        match &making.search {
            Search::Theirs(url) => {
                making.laptop.notes.push(format!("logs are searched at {url}, which is yours"));
            }
            Search::Light(program) => {
                let part = search::part(&name.0, program, making.port(&name.0));
                making.add(format!("search.{name}"), part);
                let note = "logs are searched in memory: they are gone when it stops, and nothing deletes old ones";
                making.laptop.notes.push(note.to_owned());
            }
            Search::None => {
                let note = "no search engine: logs are files only. `pip download osmem-server`, put it on the PATH, or set OPENSEARCH_URL";
                making.laptop.notes.push(note.to_owned());
            }
        }
        if let Some(endpoint) = making.search_endpoint(&name.0) {
            making.export(format!("search.{name}.endpoint"), endpoint);
        }
    }
}

fn services(making: &mut Making<'_>) -> anyhow::Result<()> {
    let services = &making.loaded.stack.services;
    if services.is_empty() {
        return Ok(());
    }
    let runtime = runtime()?;
    let generation = hex(&Sha256::digest(std::fs::read(&runtime)?)[..12]);
    let mut routes = Routes::default();
    for (name, service) in services {
        let Some(role) = &service.role else {
            making.laptop.notes.push(format!("`{name}` is a container of yours, which does not run here"));
            continue;
        };
        one_service(making, &name.0, service, role, (&runtime, &generation));
    }
    let behind: Vec<(&Name, &Service, &Http)> = services
        .iter()
        .filter(|(_, service)| service.role.is_some())
        .filter_map(|(name, service)| Some((name, service, service.http.as_ref()?)))
        .collect();
    if behind.is_empty() {
        return Ok(());
    }
    for (name, _, http) in &behind {
        let health = http.health.clone().unwrap_or_else(|| "/healthz".to_owned());
        let target = ([127, 0, 0, 1], making.port(&name.0)).into();
        let health = Health { path: health, interval_ms: 500, timeout_ms: 2000, ..Health::default() };
        routes.groups.insert(name.0.clone(), Group { targets: vec![target], health });
    }
    for (name, priority) in priorities(&behind) {
        let Some((_, _, http)) = behind.iter().find(|(other, ..)| other.0 == name) else { continue };
        let mut methods = http.methods.clone();
        if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
            methods.push("HEAD".to_owned());
        }
        routes.rules.push(Rule { priority, paths: http.paths.clone(), methods, hosts: Vec::new(), group: name });
    }
    if let Some((name, ..)) = behind.iter().find(|(_, _, http)| http.paths.is_empty() && http.methods.is_empty()) {
        routes.rules.push(Rule { priority: u32::MAX, group: name.0.clone(), ..Rule::default() });
    }
    let file = making.place.state().join("routes.json");
    if making.purpose == Purpose::Run {
        balancer::part::prepare(&file, &routes)?;
    }
    let port = making.port(BALANCER);
    let mut part = balancer::part::part(BALANCER, &making.program, &file, port)?;
    part.after = behind.iter().map(|(name, ..)| name.0.clone()).collect();
    making.add("services", part);
    making.export("services.address", format!("http://127.0.0.1:{port}"));
    Ok(())
}

fn one_service(making: &mut Making<'_>, name: &str, service: &Service, role: &str, runtime: (&Path, &str)) {
    let (program, generation) = runtime;
    let port = making.port(name);
    let Environment { variables, secrets } = environment::of(making, name, service, port);
    if role == "reservation" {
        let mut environment = variables.clone();
        environment.retain(|name, _| !["HOST", "PORT", "SERVICE_NAME"].contains(&name.as_str()));
        environment.insert("PROBE_URL".to_owned(), format!("http://127.0.0.1:{}", making.port(BALANCER)));
        if let Some(logs) = making.loaded.stack.logs.as_ref().filter(|logs| logs.ship.contains_key(&Name(name.into())))
            && let Some(endpoint) = making.search_endpoint(&logs.to.0)
        {
            environment.insert("SEARCH_ENDPOINT".to_owned(), endpoint);
            environment.insert("PROBE_INDEX".to_owned(), format!("{}-*", logs.index_of(&Name(name.into()))));
        }
        making.laptop.probe = Some(super::Probe { program: program.to_owned(), environment });
    }
    let things: Vec<String> = service.uses.iter().chain(&service.owns).map(|thing| thing.0.clone()).collect();
    let stack = &making.loaded.stack;
    let mut after: Vec<String> = Vec::new();
    for thing in &things {
        let known = Name(thing.clone());
        if stack.databases.contains_key(&known) || stack.caches.contains_key(&known) {
            after.push(thing.clone());
        } else if stack.topics.contains_key(&known) || stack.queues.contains_key(&known) {
            after.push(MESSAGING.to_owned());
        }
    }
    after.sort();
    after.dedup();
    let part = Part {
        args: vec!["serve".to_owned(), role.to_owned()],
        env: variables,
        secrets,
        cwd: making.place.state().to_owned(),
        port: Some(port),
        // A role that has something to wait for says so there; `hello` has nothing.
        ready: Probe::Http { port, path: if role == "hello" { "/healthz" } else { "/readyz" }.to_owned() },
        after,
        stop: Stop { signal: StopSignal::Term, within_ms: 30_000 },
        generation: generation.to_owned(),
        ..Part::new(name, format!("service, role {role}"), program)
    };
    making.add(format!("services.{name}"), part);
}

/// The log forwarder as on AWS, fed from the file that a service writes instead of from a subscription.
fn shipping(making: &mut Making<'_>) -> anyhow::Result<()> {
    let Some(logs) = &making.loaded.stack.logs else { return Ok(()) };
    let Some(endpoint) = making.search_endpoint(&logs.to.0) else { return Ok(()) };
    let runtime = runtime()?;
    let generation = hex(&Sha256::digest(std::fs::read(&runtime)?)[..12]);
    for (service, pattern) in &logs.ship {
        let group = format!("/{}/{}/{service}", making.loaded.stack.stack, making.loaded.env);
        let directory = making.directory(&format!("forward-{service}"));
        if making.purpose == Purpose::Run {
            private_directory(&directory)?;
        }
        let mut environment = Environment { variables: BTreeMap::new(), secrets: Default::default() };
        making.aws(&mut environment);
        let index = logs.index_of(service);
        for (name, value) in [
            ("SEARCH_ENDPOINT", endpoint.as_str()),
            ("INDEX_PREFIX", index),
            ("INDEXES", &json!({ &group: index }).to_string()),
            ("SERVICE_NAME", "forwarder"),
        ] {
            environment.variables.insert(name.to_owned(), value.to_owned());
        }
        let file = making.place.log(&service.0);
        let state = directory.join("position");
        let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no UTF-8");
        let mut args: Vec<String> = ["forward", "--group", &group].map(str::to_owned).to_vec();
        if !pattern.is_empty() {
            args.extend(["--pattern".to_owned(), pattern.clone()]);
        }
        args.extend(["--file".to_owned(), words(&file)?, "--state".to_owned(), words(&state)?]);
        let own = matches!(making.search, Search::Light(_)).then(|| logs.to.0.clone());
        let part = Part {
            args,
            env: environment.variables,
            cwd: directory,
            after: own.into_iter().collect(),
            generation: generation.clone(),
            ..Part::new(format!("forward-{service}"), "log forwarder", &runtime)
        };
        making.add(format!("logs.ship.{service}"), part);
    }
    Ok(())
}

/// The one that would go into the image, or one that only runs here.
fn runtime() -> anyhow::Result<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    match find_runtime(architecture) {
        Ok(path) => Ok(path.canonicalize()?),
        Err(error) => {
            let beside = std::env::current_exe()?.with_file_name("runtime");
            if beside.is_file() { Ok(beside) } else { Err(error) }
        }
    }
}
