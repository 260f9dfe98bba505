//! `ec2.vpc_endpoint`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{RouteTable, Vpc};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct VpcEndpoint;

#[derive(Serialize, Deserialize)]
pub struct VpcEndpointSpec {
    pub vpc: Ref<Vpc>,
    /// A gateway endpoint: `s3`.
    pub service: String,
    pub route_tables: Vec<Ref<RouteTable>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcEndpointState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcEndpointOutput {
    pub id: String,
}

impl Kind for VpcEndpoint {
    const FACTS: Facts =
        Facts { name: "ec2.vpc_endpoint", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = VpcEndpointSpec;
    type State = VpcEndpointState;
    type Output = VpcEndpointOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &VpcEndpointSpec, _: &Outputs) -> Result<VpcEndpointState, Missing> {
        Ok(VpcEndpointState {})
    }

    async fn read(_: &Cx, _: &Query<'_, VpcEndpoint>) -> Result<Vec<Live<VpcEndpoint>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &VpcEndpointState) -> Result<VpcEndpointOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<VpcEndpoint>, _: &VpcEndpointState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<VpcEndpoint>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
