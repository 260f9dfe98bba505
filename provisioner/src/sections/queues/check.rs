//! Checks `queues:`.

use std::collections::BTreeMap;

use crate::scope::Scope;
use crate::sections::say::Say;
use crate::sections::words::{Name, Span};
use crate::sections::{Loaded, Stack};

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    for name in stack.queues.keys().filter(|name| name.0 == "forwarder-failed" || name.0.ends_with("-dead-letter")) {
        say.taken("queues", name);
    }
    each(stack, say);
    policies(stack, &Scope::widest(loaded), say);
}

fn each(stack: &Stack, say: &mut Say<'_>) {
    let mut subscribed: BTreeMap<String, (&Name, &Name)> = BTreeMap::new();
    for (name, queue) in &stack.queues {
        let path = format!("/queues/{name}");
        for (index, topic) in queue.from.iter().enumerate() {
            let place = format!("{path}/from/{index}");
            match stack.topics.get(topic) {
                None => {
                    let hint = say.meant(topic, stack.topics.keys());
                    let what = format!("`{topic}` is not a topic of this stack");
                    say.dangling(place, topic, &["topics"], what, hint);
                }
                Some(found) if queue.fifo && !found.fifo && say.sound(&format!("/topics/{topic}")) => {
                    say.problem(
                        place,
                        format!(
                            "`{name}` is a FIFO queue, and the topic `{topic}` is not FIFO: SNS does not deliver to it"
                        ),
                        Some("set `fifo: true` on both".into()),
                    );
                }
                Some(_) => match subscribed.insert(format!("{topic}-to-{name}"), (topic, name)) {
                    Some(other) if other == (topic, name) => {
                        say.problem(place, format!("`{topic}` is here twice"), None)
                    }
                    // Two pairs can give the same name: `a` to `b-to-c`, and `a-to-b` to `c`.
                    Some((other, fed)) => say.problem(
                        place,
                        format!("from `{topic}` to `{name}` would have the same name as from `{other}` to `{fed}`"),
                        Some("take another name for one of them".into()),
                    ),
                    None => {}
                },
            }
        }
        let mut within = |key: &str, span: &Option<Span>, from: u64, to: u64, words: &str| {
            if let Some(span) = span.as_ref().filter(|span| !(from..=to).contains(&span.seconds())) {
                say.problem(
                    format!("{path}/{key}"),
                    format!("`queues.{name}.{key}` is {}, outside of {words}", span.0),
                    None,
                );
            }
        };
        within("visibility_timeout", &queue.visibility_timeout, 0, 43_200, "0s to 12h");
        within("retention", &queue.retention, 60, 1_209_600, "60s to 14d");
        within("delay", &queue.delay, 0, 900, "0s to 15m");
    }
}

/// The largest policy of a queue, in bytes (SQS developer guide, policy quotas).
const QUEUE_POLICY: usize = 8_192;
/// The bytes of that policy without the name of the queue, which is in it twice, and without the topics that feed it.
const REST_OF_QUEUE_POLICY: usize = 400;

/// Refuses a queue whose policy would be too long, because it names the topics that feed the queue.
fn policies(stack: &Stack, scope: &Scope, say: &mut Say<'_>) {
    for (name, queue) in &stack.queues {
        let arn = |service: &str, name: &str, fifo: bool| {
            let suffix = if fifo { ".fifo" } else { "" };
            scope.arn(service, &format!("{}{suffix}", scope.name(name, 75))).len()
        };
        let is_fifo = |topic: &Name| stack.topics.get(topic).is_some_and(|topic| topic.fifo);
        let topics: usize = queue.from.iter().map(|topic| arn("sns", &topic.0, is_fifo(topic)) + 3).sum();
        let bytes = REST_OF_QUEUE_POLICY + 2 * arn("sqs", &name.0, queue.fifo) + topics;
        if bytes > QUEUE_POLICY {
            let what = format!(
                "the policy of `{name}`, which names the {} topics that feed it, would have {bytes} bytes, more than the \
                 {QUEUE_POLICY} that SQS allows",
                queue.from.len()
            );
            say.problem(
                format!("/queues/{name}/from"),
                what,
                Some("one topic with a field that tells them apart".into()),
            );
        }
    }
}
