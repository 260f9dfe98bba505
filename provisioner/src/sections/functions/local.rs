//! Expands `functions:` to a part for each function, one that brings each owned schema up to date, and the HTTP API in
//! front of them.

use std::collections::BTreeMap;

use anyhow::Context;
use local::functions::config::{Asynchronous, Config, From, PROCESSES, Source};
use local::functions::part as functions;
use local::http_api::config::{Config as Routes, Cors, Target};
use local::http_api::part as http_api;
use local::supervisor::part::Part;
use local::supervisor::place::private_directory;
use serde_json::{Map, Value};

use super::{API, Begin, Function, On, failed, migrates, migration, routes};
use crate::kind::Ref;
use crate::local::kinds::{self, ApiSpec, ApiState, DeliverySpec, DeliveryState, QueueSpec, QueueState};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, Runtime, queue_names};
use crate::sections::queues::local::{no_redrive, url_of};
use crate::sections::queues::{DEAD_LETTER_RETENTION, MESSAGING};
use crate::sections::services::roles;
use crate::sections::tables::{ENGINE, local as tables};
use crate::sections::topics::local as topics;
use crate::sections::uses::local::{self as uses, Environment};
use crate::sections::words::Name;

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    let stack = &loaded.stack;
    let mut names: Vec<String> = stack.functions.keys().map(|name| name.0.clone()).collect();
    names.extend(stack.owned_by_functions().map(|(owned, ..)| migration(&owned.0)));
    names.extend(stack.has_api().then(|| API.to_owned()));
    names
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let stack = &making.loaded.stack;
    if stack.functions.is_empty() {
        return Ok(());
    }
    let runtime = making.programs.runtime.clone().context("no runtime was looked for")?;
    for (owned, owner, function) in stack.owned_by_functions() {
        migrate(making, &runtime, owned, (owner, function))?;
    }
    for (name, function) in &stack.functions {
        one(making, &runtime, name, function)?;
    }
    if stack.has_api() { front(making) } else { Ok(()) }
}

/// Adds the function that brings a schema up to date. It runs once, and what uses the database comes after it.
fn migrate(
    making: &mut Making<'_>,
    runtime: &Runtime,
    owned: &Name,
    (owner, function): (&Name, &Function),
) -> anyhow::Result<()> {
    let name = migration(&owned.0);
    let mut environment = uses::of(making, migrates(owned), &BTreeMap::new());
    environment.set("SERVICE_NAME".to_owned(), name.clone());
    if let Some(schema) = roles::find(&function.role).and_then(|role| role.schema) {
        environment.set("MIGRATE_SCHEMA".to_owned(), schema.to_owned());
    }
    let config = Config {
        handler: "migrate".to_owned(),
        timeout_ms: 300_000,
        memory_mb: function.memory(),
        ..config(making, runtime, &name)
    };
    let (file, port) = (file(making, &name)?, making.port(&name));
    let part = functions::once(&name, &making.program, &file, port, &config)?;
    if making.writes(&name) {
        functions::prepare(&file, &config)?;
    }
    let primary = making.roles.pair(&owned.0, replicated(making, owned)).primary;
    let part = Part { after: vec![primary], ..with(part, environment, runtime) };
    making.add(&format!("functions.{owner}"), part);
    Ok(())
}

fn one(making: &mut Making<'_>, runtime: &Runtime, name: &Name, function: &Function) -> anyhow::Result<()> {
    let section = format!("functions.{name}");
    let mut environment = uses::of(making, function.user(), &function.env);
    environment.set("SERVICE_NAME".to_owned(), name.0.clone());
    // With a queue the limit is of the queue's events alone. There have to be as many processes.
    let config = Config {
        handler: function.role.clone(),
        timeout_ms: function.timeout_seconds() * 1000,
        memory_mb: function.memory(),
        processes: function.concurrency.unwrap_or(PROCESSES),
        reserved: function.concurrency.is_some() && function.queue().is_none(),
        sources: function.on.iter().flat_map(|on| sources(making, &name.0, function, on)).collect(),
        asynchronous: Asynchronous {
            failed_queue: function.keeps_failures().then(|| url_of(making, &failed_queue(making, &name.0))),
            ..Asynchronous::default()
        },
        ..config(making, runtime, &name.0)
    };
    let (file, port) = (file(making, &name.0)?, making.port(&name.0));
    let part = functions::part(&name.0, &making.program, &file, port, &config)?;
    if making.writes(&name.0) {
        functions::prepare(&file, &config)?;
    }
    let mut after = uses::after(making, function.user());
    after.extend((function.queue().is_some() || function.keeps_failures()).then(|| MESSAGING.to_owned()));
    after.extend(function.table().map(|_| ENGINE.to_owned()));
    after.sort();
    after.dedup();
    let called = config.name.clone();
    making.export(format!("{section}.arn"), config.arn);
    making.add(&section, Part { after, ..with(part, environment, runtime) });
    if function.keeps_failures() {
        failures(making, &section, &name.0);
    }
    if let Some(topic) = function.topic() {
        let filter = function.on.as_ref().and_then(|on| on.filter.clone());
        let state = DeliveryState {
            topic: topics::called(making, &topic.0),
            function: called,
            target: format!("127.0.0.1:{port}"),
            filter: filter.unwrap_or_else(|| Value::Object(Map::new())),
            failed: making.scope().arn("sqs", &failed_queue(making, &name.0)),
        };
        let spec = DeliverySpec { state, topic: Ref::to(&topic.0), function: Ref::to(&name.0) };
        making.laptop.desired.add::<kinds::Delivery>(&section, format!("{topic}-to-{name}"), spec);
    }
    Ok(())
}

/// Adds the queue for events that the function failed at.
fn failures(making: &mut Making<'_>, section: &str, function: &str) {
    let called = failed_queue(making, function);
    let state = QueueState {
        arn: making.scope().arn("sqs", &called),
        name: called,
        visibility_timeout: 30,
        retention: DEAD_LETTER_RETENTION,
        delay: 0,
        redrive: no_redrive(),
        others: BTreeMap::new(),
    };
    let spec = QueueSpec { state, server: Ref::to(MESSAGING), dead_letters: None };
    making.laptop.desired.add::<kinds::Queue>(section, failed(function), spec);
}

/// A function without events of its own: what a function and a migration have in common.
fn config(making: &Making<'_>, runtime: &Runtime, name: &str) -> Config {
    let scope = making.scope();
    let called = scope.name(name, 64);
    Config {
        arn: scope.arn("lambda", &format!("function:{called}")),
        name: called,
        program: runtime.path.clone(),
        arguments: Vec::new(),
        handler: String::new(),
        memory_mb: 0,
        timeout_ms: 0,
        processes: PROCESSES,
        reserved: false,
        directory: making.directory(name),
        sources: Vec::new(),
        asynchronous: Asynchronous::default(),
    }
}

/// The name on AWS of the queue for events that a function failed at.
fn failed_queue(making: &Making<'_>, function: &str) -> String {
    making.scope().name(&failed(function), 75)
}

fn sources(making: &Making<'_>, name: &str, function: &Function, on: &On) -> Vec<Source> {
    let scope = making.scope();
    let queue = on.queue.as_ref().and_then(|queue| Some((queue, making.loaded.stack.queues.get(queue)?)));
    let mut sources = Vec::new();
    if let Some((queue, settings)) = queue {
        let (called, _) = queue_names(making.loaded, &queue.0, settings);
        sources.push(Source::Queue {
            url: url_of(making, &called),
            arn: scope.arn("sqs", &called),
            batch: on.batch() as usize,
            window_ms: on.window_seconds() * 1000,
            most: function.concurrency,
            partial: true,
        });
    }
    if let Some(table) = &on.table {
        sources.push(Source::Table {
            url: format!("http://127.0.0.1:{}/", making.port(MESSAGING)),
            table: tables::called(making, &table.0),
            from: match on.begin() {
                Begin::Oldest => From::Oldest,
                Begin::Latest => From::Latest,
            },
            batch: on.batch() as usize,
            window_ms: on.window_seconds() * 1000,
            retries: on.retries(),
            bisect: true,
            partial: true,
        });
    }
    if let Some(minutes) = function.every_minutes() {
        let arn = scope.arn("events", &format!("rule/{}", scope.name(name, 64)));
        sources.push(Source::Schedule { arn, every_ms: minutes * 60_000 });
    }
    sources
}

/// Adds the HTTP API. It reads its routes again when they change.
fn front(making: &mut Making<'_>) -> anyhow::Result<()> {
    let stack = &making.loaded.stack;
    let api = stack.api.clone().unwrap_or_default();
    let mut config = Routes {
        id: "local".to_owned(),
        account: making.scope().account,
        rate: api.rate(),
        burst: api.burst(),
        cors: api.cors.as_ref().map(|cors| Cors {
            origins: cors.origins.clone(),
            methods: cors.methods(),
            headers: cors.headers(),
            ..Cors::default()
        }),
        ..Routes::default()
    };
    let behind: Vec<(&Name, &Function)> = stack.functions.iter().filter(|(_, it)| it.http.is_some()).collect();
    for (name, _) in &behind {
        let target = Target { name: making.scope().name(&name.0, 64), port: making.port(&name.0) };
        config.functions.insert(name.0.clone(), target);
    }
    config.routes = routes::all(behind.iter().copied()).map(|(key, name)| (key, name.0.clone())).collect();
    let (file, port) = (making.place.state().join(ROUTES), making.port(API));
    let mut part = http_api::part(API, &making.program, &file, port)?;
    part.after = behind.iter().map(|(name, _)| name.0.clone()).collect();
    let address = format!("http://127.0.0.1:{port}");
    for (name, _) in &behind {
        making.export(format!("functions.{name}.url"), address.clone());
    }
    making.export("functions.address", address);
    making.add("functions", part);
    let spec = ApiSpec { state: ApiState::of(&config), front: Ref::to(API) };
    making.laptop.desired.add::<kinds::Api>("functions", API, spec);
    making.laptop.api = Some((file, config));
    Ok(())
}

/// The file that the HTTP API reads, in the state directory.
pub(crate) const ROUTES: &str = "http-api.json";

fn with(part: Part, environment: Environment, runtime: &Runtime) -> Part {
    let Environment { variables, secrets } = environment;
    let generation = format!("{}-{}", part.generation, runtime.build);
    Part { env: variables, secrets, generation, ..part }
}

/// The file with what the function's part does, in the folder where the part keeps its events.
fn file(making: &Making<'_>, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let directory = making.directory(name);
    if making.writes(name) {
        private_directory(&directory).with_context(|| format!("making {}", directory.display()))?;
    }
    Ok(directory.join("function.json"))
}

fn replicated(making: &Making<'_>, database: &Name) -> bool {
    making.loaded.stack.databases.get(database).is_some_and(|database| database.replica)
}
