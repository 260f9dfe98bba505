//! Expands `queues:` to queues, each with a dead-letter queue, and the subscriptions that feed them.

use super::{DEAD_LETTER_RETENTION, dead_letter_name};
use crate::kind::Ref;
use crate::kinds::sns::{Endpoint, Subscription, SubscriptionSpec};
use crate::kinds::sqs::{DeadLetter, Queue, QueueSpec};
use crate::sections::aws::making::{Expand, Making};

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    for (name, queue) in &stack.queues {
        let section = format!("queues.{name}");
        let dead = dead_letter_name(&name.0);
        making.add::<Queue>(
            &section,
            &dead,
            QueueSpec {
                fifo: queue.fifo,
                visibility_timeout: 30,
                retention: DEAD_LETTER_RETENTION,
                delay: 0,
                dead_letter: None,
                from: Vec::new(),
                rules: Vec::new(),
            },
        );
        making.add::<Queue>(
            &section,
            &name.0,
            QueueSpec {
                fifo: queue.fifo,
                visibility_timeout: stack.hidden_seconds(name, queue),
                retention: queue.retention_seconds(),
                delay: queue.delay_seconds(),
                dead_letter: Some(DeadLetter { queue: Ref::to(dead.clone()), after: queue.receives() }),
                from: queue.from.iter().map(|topic| Ref::to(topic.0.clone())).collect(),
                rules: Vec::new(),
            },
        );
        for topic in &queue.from {
            let spec = SubscriptionSpec {
                topic: Ref::to(topic.0.clone()),
                endpoint: Endpoint::Queue(Ref::to(name.0.clone())),
                raw: queue.raw,
                filter: None,
                failed: None,
            };
            making.add::<Subscription>(&section, format!("{topic}-to-{name}"), spec);
        }
        making.export::<Queue>(format!("{section}.url"), &name.0, "url");
        making.export::<Queue>(format!("{section}.dead_letter_url"), &dead, "url");
    }
}
