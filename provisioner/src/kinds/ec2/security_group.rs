//! `ec2.security_group`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Vpc;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct SecurityGroup;

#[derive(Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    pub vpc: Ref<Vpc>,
    /// Cannot be changed later.
    pub description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecurityGroupState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecurityGroupOutput {
    pub id: String,
}

impl Kind for SecurityGroup {
    const FACTS: Facts =
        Facts { name: "ec2.security_group", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = SecurityGroupSpec;
    type State = SecurityGroupState;
    type Output = SecurityGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &SecurityGroupSpec, _: &Outputs) -> Result<SecurityGroupState, Missing> {
        Ok(SecurityGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, SecurityGroup>) -> Result<Vec<Live<SecurityGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &SecurityGroupState) -> Result<SecurityGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<SecurityGroup>, _: &SecurityGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<SecurityGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
