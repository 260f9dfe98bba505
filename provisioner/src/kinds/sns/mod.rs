//! Amazon SNS.

mod subscription;
mod topic;

pub use subscription::{Endpoint, Subscription, SubscriptionSpec};
pub use topic::{Topic, TopicOutput, TopicSpec};
