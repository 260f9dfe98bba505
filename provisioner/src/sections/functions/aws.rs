//! Expands `functions:` to functions on Lambda, each with its log group, its role and what calls it; to a function that
//! migrates each schema that a function owns; and to one HTTP API in front of those with `http`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{API, FIREWALL, Function, On, failed, migrates, migration, role, routes};
use crate::kind::Ref;
use crate::kinds::apigatewayv2::{Api, ApiRoute, ApiSpec, Cors};
use crate::kinds::ecs::FromSecret;
use crate::kinds::events::{Rule, RuleSpec};
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::lambda::{
    self, FunctionSecret, FunctionSpec, Inside, Migration, MigrationSpec, Permission, PermissionSource, PermissionSpec,
    Reads, Source, SourceSpec, WayOut,
};
use crate::kinds::logs::{LogGroup, LogGroupSpec};
use crate::kinds::sns::{Endpoint, Subscription, SubscriptionSpec};
use crate::kinds::sqs::{Queue, QueueSpec};
use crate::kinds::variable::Variable;
use crate::sections::aws::making::{Expand, Making};
use crate::sections::databases;
use crate::sections::network::{ENDPOINTS, aws as network};
use crate::sections::queues::DEAD_LETTER_RETENTION;
use crate::sections::services::roles;
use crate::sections::tables::aws as tables;
use crate::sections::uses::User;
use crate::sections::uses::aws::{Given, given, reading};
use crate::sections::words::Name;

const SECTION: &str = "functions";
const ASSUMED_BY: &str = "lambda.amazonaws.com";
const ARCHITECTURE: &str = "x86_64";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    if stack.functions.values().any(|function| making.loaded.is_inside(function)) {
        firewall(making);
    }
    for (owned, owner, function) in stack.owned_by_functions() {
        migrate(making, owned, (owner, function));
    }
    for (name, function) in &stack.functions {
        one(making, &name.0, function);
    }
    if stack.has_api() {
        api(making);
    }
}

/// Adds the firewall group of all functions inside the VPC. It lets out what any of them needs.
fn firewall(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    let inside = stack.functions.values().filter(|function| making.loaded.is_inside(function));
    let outside = match making.loaded.endpoints().is_empty() {
        true => network::anywhere(443),
        false => network::from_group(ENDPOINTS.to_owned(), 443),
    };
    // A table is reached at a public address, to which the gateway endpoint is the only way.
    let tables = making.loaded.has_tables_from_inside().then(|| network::anywhere(443));
    // Several functions need the same rules, and a group has each rule once.
    let mut egress = vec![outside];
    egress.extend(tables);
    egress.extend(inside.flat_map(|function| given(making, function.user()).egress));
    network::group(making, SECTION, FIREWALL, "What the functions talk to", Vec::new(), egress);
}

/// Adds the function that brings a schema up to date, and its call.
fn migrate(making: &mut Making<'_>, owned: &Name, (owner, function): (&Name, &Function)) {
    let (section, name) = (format!("{SECTION}.{owner}"), migration(&owned.0));
    let mut environment = Vec::new();
    if let Some(schema) = roles::find(&function.role).and_then(|role| role.schema) {
        environment.push(("MIGRATE_SCHEMA".to_owned(), Variable::Text(schema.to_owned())));
    }
    let part = Part {
        handler: "migrate",
        memory: function.memory(),
        // The most that a migration may take.
        timeout: 300,
        after: Vec::new(),
        ..Part::of(making, &name, migrates(owned))
    };
    add(making, &section, part, environment, Vec::new());
    let spec = MigrationSpec {
        function: Ref::to(&name),
        code_sha256: making.digests.zip.clone(),
        database: Ref::to(&owned.0),
        login: Ref::to(databases::app(&owned.0)),
    };
    making.add::<Migration>(&section, name, spec);
}

fn one(making: &mut Making<'_>, name: &str, function: &Function) {
    let section = format!("{SECTION}.{name}");
    let failures = function.keeps_failures().then(|| failed(name));
    if let Some(failures) = &failures {
        failed_queue(making, &section, failures, (name, function));
    }
    let environment = function.env.iter().map(|(key, value)| (key.clone(), Variable::Text(value.clone()))).collect();
    // With a queue, the limit is that of the mapping, and takes nothing from the other functions of the account.
    let reserved = function.concurrency.filter(|_| function.queue().is_none());
    let part = Part {
        handler: &function.role,
        memory: function.memory(),
        timeout: number(function.timeout_seconds()),
        concurrency: reserved,
        on_failure: failures.clone().filter(|_| function.is_asynchronous()),
        ..Part::of(making, name, function.user())
    };
    let mut rights = Vec::new();
    if let Some(queue) = function.queue() {
        let actions = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
        rights.push(statement(&actions, Resource::Queue(Ref::to(&queue.0))));
    }
    if let Some(table) = function.table() {
        // The end of a stream's ARN is the time at which it was made.
        let stream = Resource::Arn(format!("{}/stream/*", tables::arn(making, &table.0)));
        let actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
        rights.push(statement(&actions, stream));
        // AWS takes no smaller resource for it.
        rights.push(statement(&["dynamodb:ListStreams"], Resource::Arn("*".to_owned())));
    }
    if let Some(failures) = &failures {
        rights.push(statement(&["sqs:SendMessage"], Resource::Queue(Ref::to(failures))));
    }
    add(making, &section, part, environment, rights);
    making.export::<lambda::Function>(format!("{section}.arn"), name, "arn");
    if let Some(on) = &function.on {
        sources(making, &section, (name, function), on);
    }
    if function.http.is_some() {
        let source = PermissionSource::Api(Ref::to(API));
        permission(making, &section, (name, "http"), "apigateway.amazonaws.com", source);
        making.export::<Api>(format!("{section}.url"), API, "url");
    }
}

/// Adds what calls the function: a mapping from its queue, a subscription to its topic, or a rule.
fn sources(making: &mut Making<'_>, section: &str, (name, function): (&str, &Function), on: &On) {
    if let Some(queue) = &on.queue {
        let spec = SourceSpec {
            function: Ref::to(name),
            reads: Reads::Queue { queue: Ref::to(&queue.0), concurrency: function.concurrency },
            batch: on.batch(),
            window: number(on.window_seconds()),
        };
        making.add::<Source>(section, format!("{queue}-to-{name}"), spec);
    }
    if let Some(table) = &on.table {
        let reads = Reads::Stream {
            table: Ref::to(&table.0),
            begin: on.begin().word().to_owned(),
            retries: on.retries(),
            failed: Ref::to(failed(name)),
        };
        let (batch, window) = (on.batch(), number(on.window_seconds()));
        making.add::<Source>(
            section,
            format!("{table}-to-{name}"),
            SourceSpec { function: Ref::to(name), reads, batch, window },
        );
    }
    if let Some(topic) = &on.topic {
        let source = PermissionSource::Topic(Ref::to(&topic.0));
        permission(making, section, (name, "topic"), "sns.amazonaws.com", source);
        let spec = SubscriptionSpec {
            topic: Ref::to(&topic.0),
            endpoint: Endpoint::Function(Ref::to(name)),
            raw: false,
            filter: on.filter.clone(),
            failed: Some(Ref::to(failed(name))),
        };
        making.add::<Subscription>(section, format!("{topic}-to-{name}"), spec);
    }
    if let Some(minutes) = function.every_minutes() {
        let spec = RuleSpec { every_minutes: number(minutes), function: Ref::to(name), failed: Ref::to(failed(name)) };
        making.add::<Rule>(section, name, spec);
        let source = PermissionSource::Rule(Ref::to(name));
        permission(making, section, (name, "rule"), "events.amazonaws.com", source);
    }
}

fn permission(
    making: &mut Making<'_>,
    section: &str,
    (name, by): (&str, &str),
    principal: &str,
    source: PermissionSource,
) {
    let spec = PermissionSpec { function: Ref::to(name), principal: principal.to_owned(), source };
    making.add::<Permission>(section, format!("{name}-{by}"), spec);
}

/// Adds the queue for events that a function failed at, and for those that could not be handed over to it.
fn failed_queue(making: &mut Making<'_>, section: &str, queue: &str, (name, function): (&str, &Function)) {
    let spec = QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: DEAD_LETTER_RETENTION,
        delay: 0,
        dead_letter: None,
        from: function.topic().map(|topic| Ref::to(&topic.0)).into_iter().collect(),
        rules: function.every_minutes().map(|_| name.to_owned()).into_iter().collect(),
    };
    making.add::<Queue>(section, queue, spec);
    making.export::<Queue>(format!("{section}.failed_url"), queue, "url");
}

/// Adds the HTTP API in front of the functions.
fn api(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    let path = format!("/aws/vendedlogs/{}/{API}", making.scope.prefix());
    let group = LogGroupSpec { path, retention_days: making.log_days(), kms_key: making.key() };
    making.add::<LogGroup>(SECTION, API, group);
    let settings = stack.api.clone().unwrap_or_default();
    let routes = routes::all(stack.functions.iter());
    let spec = ApiSpec {
        routes: routes.map(|(key, name)| ApiRoute { key, function: Ref::to(&name.0) }).collect(),
        cors: settings.cors.as_ref().map(|cors| Cors {
            origins: cors.origins.clone(),
            methods: cors.methods(),
            headers: cors.headers(),
        }),
        rate: settings.rate(),
        burst: settings.burst(),
        log_group: Ref::to(API),
    };
    making.add::<Api>(SECTION, API, spec);
    making.export::<Api>("functions.address".to_owned(), API, "url");
}

/// A function on Lambda, without what the things around it need.
struct Part<'a> {
    name: &'a str,
    user: User<'a>,
    handler: &'a str,
    memory: u32,
    timeout: u32,
    concurrency: Option<u32>,
    on_failure: Option<String>,
    /// Whether it is inside the VPC.
    inside: bool,
    /// The migrations that come before it.
    after: Vec<Ref<Migration>>,
}

impl<'a> Part<'a> {
    fn of(making: &Making<'_>, name: &'a str, user: User<'a>) -> Part<'a> {
        Part {
            name,
            user,
            handler: "",
            memory: 0,
            timeout: 0,
            concurrency: None,
            on_failure: None,
            inside: making.loaded.has_inside(user),
            after: migrations(making, user),
        }
    }
}

/// The migrations of what is used, which come before its user.
pub(crate) fn migrations(making: &Making<'_>, user: User<'_>) -> Vec<Ref<Migration>> {
    let stack = &making.loaded.stack;
    let owned = |thing: &&Name| stack.owned_by_functions().any(|(owned, ..)| owned == *thing);
    let owned: BTreeSet<&Name> = user.uses.iter().chain(user.owns).filter(owned).collect();
    owned.into_iter().map(|name| Ref::to(migration(&name.0))).collect()
}

/// Adds the function with its log group and its role. `environment` comes on top of what it uses.
fn add(
    making: &mut Making<'_>,
    section: &str,
    part: Part<'_>,
    environment: Vec<(String, Variable)>,
    rights: Vec<Statement>,
) {
    let Part { name, user, handler, memory, timeout, concurrency, on_failure, inside, after } = part;
    let group = LogGroupSpec { path: making.log_path(name), retention_days: making.log_days(), kms_key: making.key() };
    making.add::<LogGroup>(section, name, group);
    let Given { environment: mut variables, mut secrets, statements, egress: _ } = given(making, user);
    for (key, value) in environment {
        // A text of the stack file wins over what `uses` gives, unless it is empty.
        let is_empty = matches!(&value, Variable::Text(text) if text.is_empty());
        let is_given = variables.iter().any(|(other, _)| *other == key) || secrets.iter().any(|one| one.name == key);
        if !(is_empty && is_given) {
            variables.retain(|(other, _)| *other != key);
            secrets.retain(|secret| secret.name != key);
            variables.push((key, value));
        }
    }
    variables.push(("SERVICE_NAME".to_owned(), Variable::Text(name.to_owned())));
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = vec![statement(&["logs:CreateLogStream", "logs:PutLogEvents"], Resource::LogStreams(Ref::to(name)))];
    // Lambda decrypts the environment with the rights of the function.
    let through = json!({"StringEquals": {"kms:ViaService": making.scope.regional("lambda")}});
    let key = Resource::Key(making.key());
    all.push(Statement { condition: through, ..statement(&["kms:Decrypt"], key) });
    all.extend(reading(making, &secrets));
    all.extend(statements);
    all.extend(rights);
    all.extend(inside.then(network::interfaces));
    making.role(section, &role(name), ASSUMED_BY, all);
    let spec = FunctionSpec {
        handler: handler.to_owned(),
        role: Ref::to(role(name)),
        log_group: Ref::to(name),
        on_failure: on_failure.map(Ref::to),
        environment: variables,
        secrets: secrets.into_iter().map(function_secret).collect(),
        code_sha256: making.digests.zip.clone(),
        architecture: ARCHITECTURE.to_owned(),
        memory,
        timeout,
        concurrency,
        kms_key: making.key(),
        inside: inside.then(|| place(making)),
        after,
        serves: true,
    };
    making.add::<lambda::Function>(section, name, spec);
}

fn function_secret(from: FromSecret) -> FunctionSecret {
    FunctionSecret { name: from.name, secret: from.secret, and_previous: from.and_previous }
}

/// The place inside the VPC that all functions share.
fn place(making: &Making<'_>) -> Inside {
    let nats = network::all_nats(making).into_iter().map(WayOut::Nat);
    let endpoints = making.loaded.endpoints().into_iter().map(|service| WayOut::Endpoint(Ref::to(service)));
    Inside {
        subnets: network::subnets("private", network::zones(making)),
        security_groups: vec![Ref::to(FIREWALL)],
        way_out: nats.chain(endpoints).collect(),
    }
}

fn statement(actions: &[&str], resource: Resource) -> Statement {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    Statement { actions, resources: vec![resource], condition: Value::Null }
}

/// The checks keep these numbers far below the largest.
fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
