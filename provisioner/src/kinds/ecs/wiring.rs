//! The things that an ECS service depends on: the load balancer before it, and its way out of the network.

use serde::{Deserialize, Serialize};

use crate::kind::Ref;
use crate::kinds::ec2::{NatGateway, RouteTable};
use crate::kinds::elbv2::{Listener, Rule, TargetGroup};

/// The place of a service behind a load balancer. A listener or a rule has to use the target group before the service
/// is created.
#[derive(Serialize, Deserialize)]
pub struct Behind {
    pub target_group: Ref<TargetGroup>,
    pub port: u16,
    pub listener: Ref<Listener>,
    pub rule: Option<Ref<Rule>>,
    /// The seconds in which a task that is not healthy yet is not stopped.
    pub grace: u32,
    /// The seconds until the load balancer has decided whether a task is healthy.
    pub health_takes: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    Nat(Ref<NatGateway>),
    Routes(Ref<RouteTable>),
}
