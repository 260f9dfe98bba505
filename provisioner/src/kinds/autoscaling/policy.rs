//! `autoscaling.policy`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Target;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct Policy;

#[derive(Serialize, Deserialize)]
pub struct PolicySpec {
    pub target: Ref<Target>,
    /// The average CPU, in per cent, to aim at.
    pub cpu: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyOutput {
    pub arn: String,
}

impl Kind for Policy {
    const FACTS: Facts =
        Facts { name: "autoscaling.policy", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = PolicySpec;
    type State = PolicyState;
    type Output = PolicyOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &PolicySpec, _: &Outputs) -> Result<PolicyState, Missing> {
        Ok(PolicyState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Policy>) -> Result<Vec<Live<Policy>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &PolicyState) -> Result<PolicyOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Policy>, _: &PolicyState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Policy>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
