//! Amazon CloudWatch Logs.

mod log_group;
mod subscription_filter;

pub use log_group::{LogGroup, LogGroupOutput, LogGroupSpec, LogGroupState};
pub use subscription_filter::{SubscriptionFilter, SubscriptionFilterSpec, SubscriptionFilterState};
