//! `alerts:`, the people who are told when something is wrong.
//!
//! [`check`]: the addresses. [`aws`]: a topic, its subscriptions, the alarms, a dashboard. On this machine there are no
//! alarms.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;

use schemars::JsonSchema;
use serde::Deserialize;

/// E-mail addresses that get alarms. AWS asks each one to confirm.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    #[serde(default)]
    pub email: Vec<String>,
}
