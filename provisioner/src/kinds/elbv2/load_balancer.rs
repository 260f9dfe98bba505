//! `elbv2.load_balancer`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::{InternetGateway, SecurityGroup, Subnet};
use crate::scope::Scope;

pub struct LoadBalancer;

#[derive(Serialize, Deserialize)]
pub struct LoadBalancerSpec {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    /// The subnets lead outside only with it.
    pub gateway: Ref<InternetGateway>,
    /// Protected against deletion.
    pub protected: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadBalancerState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadBalancerOutput {
    pub arn: String,
    pub dns_name: String,
    /// `app/<name>/<id>`, for metrics.
    pub full_name: String,
}

impl Kind for LoadBalancer {
    const FACTS: Facts =
        Facts { name: "elbv2.load_balancer", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = LoadBalancerSpec;
    type State = LoadBalancerState;
    type Output = LoadBalancerOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &LoadBalancerSpec, _: &Outputs) -> Result<LoadBalancerState, Missing> {
        Ok(LoadBalancerState {})
    }

    async fn read(_: &Cx, _: &Query<'_, LoadBalancer>) -> Result<Vec<Live<LoadBalancer>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &LoadBalancerState) -> Result<LoadBalancerOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<LoadBalancer>, _: &LoadBalancerState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<LoadBalancer>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
