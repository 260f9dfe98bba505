//! `elasticache.subnet_group`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::Subnet;
use crate::scope::Scope;

pub struct SubnetGroup;

#[derive(Serialize, Deserialize)]
pub struct SubnetGroupSpec {
    pub subnets: Vec<Ref<Subnet>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetGroupState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetGroupOutput {
    pub name: String,
}

impl Kind for SubnetGroup {
    const FACTS: Facts =
        Facts { name: "elasticache.subnet_group", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = SubnetGroupSpec;
    type State = SubnetGroupState;
    type Output = SubnetGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &SubnetGroupSpec, _: &Outputs) -> Result<SubnetGroupState, Missing> {
        Ok(SubnetGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, SubnetGroup>) -> Result<Vec<Live<SubnetGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &SubnetGroupState) -> Result<SubnetGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<SubnetGroup>, _: &SubnetGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<SubnetGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
