//! `ec2.subnet`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Vpc;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct Subnet;

#[derive(Serialize, Deserialize)]
pub struct SubnetSpec {
    pub vpc: Ref<Vpc>,
    /// Chosen once.
    pub cidr: String,
    /// Which of the region's zones, counted from 0 in the order of their names. Chosen once.
    pub zone: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetOutput {
    pub id: String,
    pub zone: String,
}

impl Kind for Subnet {
    const FACTS: Facts =
        Facts { name: "ec2.subnet", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = SubnetSpec;
    type State = SubnetState;
    type Output = SubnetOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &SubnetSpec, _: &Outputs) -> Result<SubnetState, Missing> {
        Ok(SubnetState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Subnet>) -> Result<Vec<Live<Subnet>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &SubnetState) -> Result<SubnetOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Subnet>, _: &SubnetState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Subnet>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
