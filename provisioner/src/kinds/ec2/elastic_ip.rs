//! `ec2.elastic_ip`: SKELETON.

use serde::{Deserialize, Serialize};

use super::InternetGateway;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct ElasticIp;

#[derive(Serialize, Deserialize)]
pub struct ElasticIpSpec {
    /// The VPC has to have its way out.
    pub gateway: Ref<InternetGateway>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ElasticIpState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ElasticIpOutput {
    pub allocation_id: String,
    pub address: String,
}

impl Kind for ElasticIp {
    const FACTS: Facts =
        Facts { name: "ec2.elastic_ip", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = ElasticIpSpec;
    type State = ElasticIpState;
    type Output = ElasticIpOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ElasticIpSpec, _: &Outputs) -> Result<ElasticIpState, Missing> {
        Ok(ElasticIpState {})
    }

    async fn read(_: &Cx, _: &Query<'_, ElasticIp>) -> Result<Vec<Live<ElasticIp>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ElasticIpState) -> Result<ElasticIpOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<ElasticIp>, _: &ElasticIpState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<ElasticIp>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
