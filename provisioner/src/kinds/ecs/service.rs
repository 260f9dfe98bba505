//! `ecs.service`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{Cluster, TaskDefinition};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::{NatGateway, RouteTable, SecurityGroup, Subnet};
use crate::kinds::elbv2::{Listener, Rule, TargetGroup};
use crate::scope::Scope;

pub struct Service;

#[derive(Serialize, Deserialize)]
pub struct ServiceSpec {
    pub cluster: Ref<Cluster>,
    pub task: Ref<TaskDefinition>,
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    /// Tasks at creation, and at least. Under autoscaling the count is AWS's afterwards.
    pub tasks: u32,
    pub behind: Option<Behind>,
    /// The way out has to be there before a task starts: without it ECS backs off for up to 15 minutes.
    pub way_out: Vec<WayOut>,
    /// Not before these databases and caches answer.
    pub architecture: String,
}

/// Behind a load balancer. The target group has to be in use by a listener or a rule before the service is created.
#[derive(Serialize, Deserialize)]
pub struct Behind {
    pub target_group: Ref<TargetGroup>,
    pub port: u16,
    pub listener: Ref<Listener>,
    pub rule: Option<Ref<Rule>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    Nat(Ref<NatGateway>),
    Routes(Ref<RouteTable>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceOutput {
    pub arn: String,
    pub name: String,
    /// `service/<cluster>/<service>`, for autoscaling.
    pub scaling_id: String,
}

impl Kind for Service {
    const FACTS: Facts =
        Facts { name: "ecs.service", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = ServiceSpec;
    type State = ServiceState;
    type Output = ServiceOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ServiceSpec, _: &Outputs) -> Result<ServiceState, Missing> {
        Ok(ServiceState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Service>) -> Result<Vec<Live<Service>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ServiceState) -> Result<ServiceOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Service>, _: &ServiceState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Service>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
