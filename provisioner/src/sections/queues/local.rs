//! Expands `topics:` and `queues:` to the server of messages, one process for all of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use local::supervisor::part::Part;
use local::supervisor::place::private_directory;
use local::supervisor::probe::Probe;
use serde_json::{Map, Value, json};

use super::{DEAD_LETTER_RETENTION, MESSAGING, Queue, dead_letter_name};
use crate::kind::Ref;
use crate::local::kinds::{self, QueueSpec, QueueState, Subscription, SubscriptionSpec, SubscriptionState};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, REGION, account, named, queue_names};
use crate::sections::topics::local as topics;
use crate::sections::words::Name;

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    let stack = &loaded.stack;
    stack.has_messages().then(|| MESSAGING.to_owned()).into_iter().collect()
}

/// Adds one process for all topics and queues, then the queues and what feeds them.
fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let stack = &making.loaded.stack;
    if !stack.has_messages() {
        return Ok(());
    }
    if stack.region.is_none() {
        let note = format!(
            "no region is known, so topics and queues have the names of {REGION}: `region:` in the stack file, --region or \
             AWS_REGION say another one"
        );
        making.laptop.notes.push(note);
    }
    let directory = making.directory(MESSAGING);
    if making.writes(MESSAGING) {
        private_directory(&directory)?;
    }
    let port = making.port(MESSAGING);
    let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    let part = Part {
        args: vec![
            "local".into(),
            "messages".into(),
            words(&directory.join(CONFIG))?,
            words(&directory)?,
            port.to_string(),
        ],
        port: Some(port),
        ready: Probe::Tcp { port },
        // A server that was made for another form of the file could not take another declaration.
        generation: FORM.to_owned(),
        ..Part::new(MESSAGING, "topics and queues", &making.program)
    };
    let section = match () {
        () if !stack.queues.is_empty() => "queues",
        () if !stack.topics.is_empty() => "topics",
        () => "functions",
    };
    making.add(section, part);
    for (name, queue) in &stack.queues {
        one(making, &name.0, queue);
    }
    Ok(())
}

/// Adds a queue with its dead-letter queue, and its subscriptions.
fn one(making: &mut Making<'_>, name: &str, queue: &Queue) {
    let section = format!("queues.{name}");
    let (main, dead) = queue_names(making.loaded, name, queue);
    let arn = |name: &str| making.scope().arn("sqs", name);
    let policy = json!({ "deadLetterTargetArn": arn(&dead), "maxReceiveCount": queue.receives() });
    let others = BTreeMap::new;
    let of_dead = QueueState {
        arn: arn(&dead),
        name: dead,
        visibility_timeout: 30,
        retention: DEAD_LETTER_RETENTION,
        delay: 0,
        redrive: no_redrive(),
        others: others(),
    };
    let state = QueueState {
        arn: arn(&main),
        name: main.clone(),
        visibility_timeout: making.loaded.stack.hidden_seconds(&Name(name.to_owned()), queue),
        retention: queue.retention_seconds(),
        delay: queue.delay_seconds(),
        redrive: policy,
        others: others(),
    };
    let server = || Ref::to(MESSAGING);
    let dead = dead_letter_name(name);
    let desired = &mut making.laptop.desired;
    desired.add::<kinds::Queue>(&section, &dead, QueueSpec { state: of_dead, server: server(), dead_letters: None });
    let dead_letters = Some(Ref::to(dead));
    desired.add::<kinds::Queue>(&section, name, QueueSpec { state, server: server(), dead_letters });
    for topic in &queue.from {
        let called = topics::called(making, &topic.0);
        let state = SubscriptionState { topic: called, queue: main.clone(), raw: queue.raw, others: others() };
        let spec = SubscriptionSpec { state, topic: Ref::to(&topic.0), queue: Ref::to(name) };
        making.laptop.desired.add::<Subscription>(&section, format!("{topic}-to-{name}"), spec);
    }
    let url = url(making, name);
    making.export(format!("{section}.url"), url);
}

/// The file in the directory of the server of messages that it reads when it starts.
pub(crate) const CONFIG: &str = "config.json";
/// The version of that file's form, and of the requests that the server takes from this program.
const FORM: &str = "3";

/// The URL of a queue.
pub(crate) fn url(making: &Making<'_>, name: &str) -> String {
    let fifo = making.loaded.stack.queues.get(&Name(name.into())).is_some_and(|queue| queue.fifo);
    url_of(making, &named(making.loaded, name, fifo))
}

/// The URL of a queue by its name on AWS.
pub(crate) fn url_of(making: &Making<'_>, called: &str) -> String {
    let (port, account) = (making.port(MESSAGING), account(making.loaded));
    format!("http://127.0.0.1:{port}/{account}/{called}")
}

/// The redrive policy of a queue without a dead-letter queue.
pub(crate) fn no_redrive() -> Value {
    Value::Object(Map::new())
}
