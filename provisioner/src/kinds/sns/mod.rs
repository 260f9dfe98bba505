//! Amazon SNS.

mod subscription;
mod topic;

pub use subscription::{Endpoint, Subscription, SubscriptionSpec, SubscriptionState};
pub use topic::{Topic, TopicOutput, TopicSpec, TopicState};
