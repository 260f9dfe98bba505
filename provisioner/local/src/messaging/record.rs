//! The records that are written down. Every change of the state is a record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, MessageAttributes};
use super::config::{Attributes, FunctionSubscription};

/// One change. Records are written in groups: one line of the log is a list of them, and is there as a whole or not at
/// all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A queue is made or changed. Its messages stay.
    Queue {
        name: String,
        definition: Definition,
    },
    QueueGone {
        name: String,
    },
    Topic {
        name: String,
        definition: Definition,
    },
    TopicGone {
        name: String,
    },
    /// A subscription, by its ARN.
    Subscription {
        arn: String,
        subscription: Subscribed,
    },
    SubscriptionGone {
        arn: String,
    },
    /// A function subscribes to a topic. See [`function_key`].
    Function {
        key: String,
        subscription: FunctionSubscription,
    },
    /// A function does not subscribe any more. What it has not been handed yet is gone too.
    FunctionGone {
        key: String,
    },
    /// An event that is to be handed to a function.
    Handing {
        key: String,
        order: u64,
        event: String,
    },
    /// The function's part has written the event down.
    Handed {
        key: String,
        order: u64,
    },
    Sent {
        queue: String,
        message: Message,
    },
    Received {
        queue: String,
        orders: Vec<u64>,
        at: u64,
        until: u64,
    },
    Hidden {
        queue: String,
        order: u64,
        until: u64,
    },
    /// Messages were deleted, have expired, or were sent on to a dead-letter queue.
    Gone {
        queue: String,
        orders: Vec<u64>,
    },
    /// An id that a FIFO queue or topic (by ARN) must not take twice.
    Seen {
        arn: String,
        deduplication: String,
        seen: Seen,
    },
    /// No order below this one is given out again, even if none of its messages is left.
    Next {
        order: u64,
    },
}

/// The key of a function's subscription. It stays when the topic's account or region changes.
pub fn function_key(topic: &str, function: &str) -> String {
    format!("{topic} {function}")
}

/// The definition of a queue or a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub attributes: Attributes,
    pub tags: BTreeMap<String, String>,
    pub created: u64,
    pub modified: u64,
    /// Whether the configuration made it, and not an SDK. Then it goes when the configuration no longer has it.
    pub declared: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subscribed {
    pub topic: String,
    pub queue: String,
    pub attributes: Attributes,
    pub declared: bool,
}

/// A message. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: String,
    /// The place in the order of the queue. It is unique in the store, and ascending.
    pub order: u64,
    pub body: String,
    #[serde(default, skip_serializing_if = "MessageAttributes::is_empty")]
    pub attributes: MessageAttributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Attribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
    pub sent: u64,
    /// The message is not delivered before this time: it is delayed, or in flight.
    pub visible: u64,
    #[serde(default)]
    pub receives: u32,
    #[serde(default)]
    pub first_received: u64,
    /// The ARN of the queue that it was a dead letter of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub id: String,
    pub order: u64,
    pub at: u64,
}
