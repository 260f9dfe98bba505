//! The declared topics, queues and subscriptions, with the attributes that their AWS calls take.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub type Attributes = BTreeMap<String, String>;

/// A declaration. It replaces the one before. Things that SDKs have created meanwhile stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub account: String,
    pub region: String,
    /// The queues by name, with the `Attributes` of CreateQueue. Dead-letter queues are named by ARN there, as on AWS.
    pub queues: BTreeMap<String, Attributes>,
    /// The topics by name, with the `Attributes` of CreateTopic.
    pub topics: BTreeMap<String, Attributes>,
    pub subscriptions: Vec<Subscription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionSubscription>,
    /// The port of the part that serves the tables. Requests for tables go on to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The name of the topic. It is not an ARN, and neither is that of the queue.
    pub topic: String,
    pub queue: String,
    /// The attributes of Subscribe: `RawMessageDelivery`, `FilterPolicy`, `FilterPolicyScope`, `RedrivePolicy`.
    #[serde(default)]
    pub attributes: Attributes,
}

/// A subscription of a function on this machine. Its messages are handed to the function's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSubscription {
    /// The name of the topic. It is not an ARN, and neither is that of the function.
    pub topic: String,
    pub function: String,
    /// The port of the function's part.
    pub port: u16,
    /// The attributes of Subscribe: `FilterPolicy`, `FilterPolicyScope`, `RedrivePolicy`.
    #[serde(default)]
    pub attributes: Attributes,
}

/// Everything that a service has, apart by who has made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    pub declared: Config,
    /// The things that SDKs have made.
    pub others: Config,
}

impl Declared {
    pub fn whose(&mut self, declared: bool) -> &mut Config {
        if declared { &mut self.declared } else { &mut self.others }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            subscriptions: Vec::new(),
            functions: Vec::new(),
            tables: None,
        }
    }
}
