//! `queues:`, SQS queues, each with a dead-letter queue.
//!
//! [`check`]: names, topics, limits. [`aws`]: the queues and their subscriptions. [`local`]: the queues of the server of messages,
//! which is one process for all topics and queues.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Name, Span};

/// An SQS queue with a dead-letter queue beside it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The topics that feed the queue.
    #[serde(default)]
    pub from: Vec<Name>,
    /// Whether messages arrive as they were published, without SNS's envelope. Default: no.
    #[serde(default)]
    pub raw: bool,
    /// How long a received message is hidden from other receivers. Default: `30s`, at most `12h`.
    pub visibility_timeout: Option<Span>,
    /// How long a message is kept. Default: `4d`, from `60s` to `14d`.
    pub retention: Option<Span>,
    /// How long a new message is hidden. Default: `0s`, at most `15m`.
    pub delay: Option<Span>,
    /// After how many receives a message goes to the dead-letter queue. Default: 5.
    #[schemars(range(min = 1, max = 1000))]
    pub max_receives: Option<u32>,
    /// Whether messages are in order and without duplicates. Default: no. Changing it makes another queue.
    #[serde(default)]
    pub fifo: bool,
}

/// The settings in seconds, with their defaults.
impl Queue {
    pub fn visibility_seconds(&self) -> u64 {
        self.visibility_timeout.as_ref().map_or(30, Span::seconds)
    }

    pub fn retention_seconds(&self) -> u64 {
        self.retention.as_ref().map_or(345_600, Span::seconds)
    }

    pub fn delay_seconds(&self) -> u64 {
        self.delay.as_ref().map_or(0, Span::seconds)
    }

    pub fn receives(&self) -> u32 {
        self.max_receives.unwrap_or(5)
    }
}

/// The name of a queue's dead-letter queue, which holds the messages that the receivers failed at.
pub(crate) fn dead_letter_name(queue: &str) -> String {
    format!("{queue}{DEAD_LETTER}")
}

/// The end of the name of every dead-letter queue.
pub(crate) const DEAD_LETTER: &str = "-dead-letter";

/// The seconds that a dead-letter queue keeps a message. This is as long as SQS can, because somebody has to see the
/// message.
pub const DEAD_LETTER_RETENTION: u64 = 1_209_600;

/// The name of the server of messages on this machine.
pub(crate) const MESSAGING: &str = "messaging";
