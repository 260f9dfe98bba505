//! What is declared: topics, queues and subscriptions, with the attributes that their AWS calls take.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub type Attributes = BTreeMap<String, String>;

/// Replaces what was declared before. What SDKs have created meanwhile stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub account: String,
    pub region: String,
    /// By name, with what CreateQueue takes as `Attributes`. Dead-letter queues are named by ARN there, as on AWS.
    pub queues: BTreeMap<String, Attributes>,
    /// By name, with what CreateTopic takes as `Attributes`.
    pub topics: BTreeMap<String, Attributes>,
    pub subscriptions: Vec<Subscription>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Names, not ARNs.
    pub topic: String,
    pub queue: String,
    /// With what Subscribe takes: `RawMessageDelivery`, `FilterPolicy`, `FilterPolicyScope`, `RedrivePolicy`.
    #[serde(default)]
    pub attributes: Attributes,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            subscriptions: Vec::new(),
        }
    }
}
