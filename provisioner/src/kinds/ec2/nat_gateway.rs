//! `ec2.nat_gateway`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{ElasticIp, InternetGateway, Subnet};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct NatGateway;

#[derive(Serialize, Deserialize)]
pub struct NatGatewaySpec {
    pub subnet: Ref<Subnet>,
    pub address: Ref<ElasticIp>,
    pub gateway: Ref<InternetGateway>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NatGatewayState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NatGatewayOutput {
    pub id: String,
}

impl Kind for NatGateway {
    const FACTS: Facts =
        Facts { name: "ec2.nat_gateway", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = NatGatewaySpec;
    type State = NatGatewayState;
    type Output = NatGatewayOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &NatGatewaySpec, _: &Outputs) -> Result<NatGatewayState, Missing> {
        Ok(NatGatewayState {})
    }

    async fn read(_: &Cx, _: &Query<'_, NatGateway>) -> Result<Vec<Live<NatGateway>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &NatGatewayState) -> Result<NatGatewayOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<NatGateway>, _: &NatGatewayState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<NatGateway>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
