//! What an ECS service hangs on: the load balancer before it, and its way out.

use serde::{Deserialize, Serialize};

use crate::kinds::ec2::{NatGateway, RouteTable};
use crate::kinds::elbv2::{Listener, Rule, TargetGroup};
use crate::kinds::kind::Ref;

/// Behind a load balancer. The target group has to be in use by a listener or a rule before the service is created.
#[derive(Serialize, Deserialize)]
pub struct Behind {
    pub target_group: Ref<TargetGroup>,
    pub port: u16,
    pub listener: Ref<Listener>,
    pub rule: Option<Ref<Rule>>,
    /// Seconds in which a task that is not healthy yet is not stopped.
    pub grace: u32,
    /// Seconds until the load balancer has made up its mind about a task.
    pub health_takes: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    Nat(Ref<NatGateway>),
    Routes(Ref<RouteTable>),
}
