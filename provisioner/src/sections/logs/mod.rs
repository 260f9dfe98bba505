//! `logs:`, the shipping of logs to a search domain.
//!
//! [`check`]: services, indexes, limits. [`patterns`]: the filter patterns. [`shipping`]: the environment and the rights of the log
//! forwarder. [`aws`]: the forwarder as a Lambda function. [`local`]: a forwarder for each service on this machine.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;
pub mod patterns;
pub(crate) mod shipping;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Name, Profile};

/// How long logs are kept, and their shipping from CloudWatch Logs to OpenSearch.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The services and functions whose logs are shipped, each with a CloudWatch Logs filter pattern. It says which events
    /// are shipped; `""` means all.
    #[serde(default)]
    pub ship: BTreeMap<Name, String>,
    /// The beginnings of the names of the indexes, by service or function; `-` and the day follow. Default: the
    /// name of the service or function.
    #[serde(default)]
    pub indexes: BTreeMap<Name, String>,
    /// The search domain that gets the logs. It is needed where `ship` is.
    pub to: Option<Name>,
    /// For how many days CloudWatch Logs keeps the logs. Default: 7 in dev, 365 in prod.
    #[schemars(range(max = 3653))]
    pub keep_days: Option<u32>,
}

/// The shipping of a stack that ships logs.
#[derive(Clone, Copy)]
pub struct Shipping<'a> {
    pub ship: &'a BTreeMap<Name, String>,
    pub indexes: &'a BTreeMap<Name, String>,
    pub to: &'a Name,
}

impl<'a> Shipping<'a> {
    /// The beginning of the names of a service's indexes. `-` and the day follow.
    pub fn index_of(&self, service: &'a Name) -> &'a str {
        self.indexes.get(service).unwrap_or(&service.0)
    }
}

impl Logs {
    /// The shipping, unless `logs` only says how long logs are kept.
    pub fn shipping(&self) -> Option<Shipping<'_>> {
        Some(Shipping { ship: &self.ship, indexes: &self.indexes, to: self.to.as_ref()? })
    }

    /// For how many days CloudWatch Logs keeps the logs, with or without a section `logs`.
    pub fn keep_days(logs: Option<&Logs>, profile: Profile) -> u32 {
        logs.and_then(|logs| logs.keep_days).unwrap_or(profile.or(7, 365))
    }
}

/// The name of the log forwarder: of the function, its log group, its firewall group.
pub(crate) const FORWARDER: &str = "forwarder";
/// The name of the queue for events that the search domain does not take.
pub(crate) const FAILED: &str = "forwarder-failed";

/// The role of the forwarder, which is the master user of its search domain.
pub(crate) fn master(search: &str) -> String {
    format!("{search}-writer")
}
