//! `topics:`, SNS topics.
//!
//! [`check`]: names. [`aws`]: a topic each. [`local`]: the topics of the server of messages.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;

use schemars::JsonSchema;
use serde::Deserialize;

/// An SNS topic, encrypted under the stack's key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Whether messages are in order and without duplicates. Default: no. Chosen once: changing it makes another topic.
    #[serde(default)]
    pub fifo: bool,
}
