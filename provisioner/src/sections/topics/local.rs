//! Expands `topics:` to topics of the server of messages, which `queues` starts.

use local::messaging;

use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, named};
use crate::sections::words::Name;

pub(crate) const LOCAL: Local = Local { ports, expand };

/// No port: the server of messages listens for the topics too.
fn ports(_: &Loaded) -> Vec<String> {
    Vec::new()
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    for name in making.loaded.stack.topics.keys() {
        let arn = arn(making, &name.0);
        making.export(format!("topics.{name}.arn"), arn);
    }
    Ok(())
}

/// Declares the topics to the server of messages.
pub(crate) fn declare(making: &Making<'_>, config: &mut messaging::Config) {
    for (name, topic) in &making.loaded.stack.topics {
        let fifo = topic.fifo.then(|| ("FifoTopic".to_owned(), "true".to_owned()));
        config.topics.insert(called(making, &name.0), fifo.into_iter().collect());
    }
}

/// The ARN of a topic, as on AWS.
pub(crate) fn arn(making: &Making<'_>, name: &str) -> String {
    making.scope().arn("sns", &called(making, name))
}

/// The name of a topic, as on AWS.
pub(crate) fn called(making: &Making<'_>, name: &str) -> String {
    let fifo = making.loaded.stack.topics.get(&Name(name.into())).is_some_and(|topic| topic.fifo);
    named(making.loaded, name, fifo)
}
