//! Expands `topics:` to topics of the server of messages, which `queues` starts.

use std::collections::BTreeMap;

use crate::kind::Ref;
use crate::local::kinds::{Topic, TopicSpec, TopicState};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making, named};
use crate::sections::queues::MESSAGING;
use crate::sections::words::Name;

pub(crate) const LOCAL: Local = Local { ports, expand };

/// No port: the server of messages listens for the topics too.
fn ports(_: &Loaded) -> Vec<String> {
    Vec::new()
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    for name in making.loaded.stack.topics.keys() {
        let called = called(making, &name.0);
        making.export(format!("topics.{name}.arn"), arn(making, &name.0));
        let state = TopicState { name: called, arn: arn(making, &name.0), others: BTreeMap::new() };
        making.laptop.desired.add::<Topic>(
            &format!("topics.{name}"),
            &name.0,
            TopicSpec { state, server: Ref::to(MESSAGING) },
        );
    }
    Ok(())
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
