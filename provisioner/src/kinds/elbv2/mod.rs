//! Elastic Load Balancing.

mod listener;
mod load_balancer;
mod rule;
mod target_group;

pub use listener::{Does, Listener, ListenerOutput, ListenerSpec};
pub use load_balancer::{LoadBalancer, LoadBalancerOutput, LoadBalancerSpec};
pub use rule::{Rule, RuleOutput, RuleSpec};
pub use target_group::{TargetGroup, TargetGroupOutput, TargetGroupSpec};
