//! `topics:` -> topics of the server of messages, which `queues` starts.

use local::messaging;

use crate::sections::machine::{Making, named};
use crate::sections::words::Name;

/// Declares the topics, and names them among the outputs.
pub(crate) fn declare(making: &mut Making<'_>, config: &mut messaging::Config) {
    for (name, topic) in &making.loaded.stack.topics {
        let fifo = topic.fifo.then(|| ("FifoTopic".to_owned(), "true".to_owned()));
        config.topics.insert(called(making, &name.0), fifo.into_iter().collect());
        let arn = arn(making, &name.0);
        making.export(format!("topics.{name}.arn"), arn);
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
