//! Expands `topics:` and `queues:` to the server of messages, one process for all of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use local::engines::ports as files;
use local::messaging;
use local::supervisor::part::Part;
use local::supervisor::place::private_directory;
use local::supervisor::probe::Probe;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{DEAD_LETTER_RETENTION, MESSAGING, Queue};
use crate::scope::hex;
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, Purpose, REGION, account, named, queue_names};
use crate::sections::topics::local as topics;
use crate::sections::words::Name;

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    let stack = &loaded.stack;
    let wanted = !stack.topics.is_empty() || !stack.queues.is_empty();
    wanted.then(|| MESSAGING.to_owned()).into_iter().collect()
}

/// Adds one process for all topics and queues.
fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
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
    topics::declare(making, &mut config);
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
            let topic = topics::called(making, &topic.0);
            config.subscriptions.push(messaging::Subscription {
                topic,
                queue: main.clone(),
                attributes: raw.into_iter().collect(),
            });
        }
        let url = url(making, &name.0);
        making.export(format!("queues.{name}.url"), url);
    }
    let directory = making.directory(MESSAGING);
    let file = directory.join("config.json");
    let bytes = serde_json::to_vec_pretty(&config)?;
    if making.purpose == Purpose::Run {
        private_directory(&directory)?;
        files::write(&file, &bytes)?;
    }
    let port = making.port(MESSAGING);
    let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
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

/// The URL of a queue.
pub(crate) fn url(making: &Making<'_>, name: &str) -> String {
    let fifo = making.loaded.stack.queues.get(&Name(name.into())).is_some_and(|queue| queue.fifo);
    let (port, account) = (making.port(MESSAGING), account(making.loaded));
    format!("http://127.0.0.1:{port}/{account}/{}", named(making.loaded, name, fifo))
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
