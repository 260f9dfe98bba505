//! Expands `topics:` to topics, encrypted under the key of the stack.

use crate::kinds::sns::{Topic, TopicSpec};
use crate::sections::aws::making::{Expand, Making};

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    for (name, topic) in &stack.topics {
        let section = format!("topics.{name}");
        making.add::<Topic>(&section, &name.0, TopicSpec { fifo: topic.fifo, kms_key: Some(making.key()) });
        making.export::<Topic>(format!("{section}.arn"), &name.0, "arn");
    }
}
