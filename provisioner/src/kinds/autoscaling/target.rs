//! `autoscaling.target`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ecs::Service;
use crate::scope::Scope;

pub struct Target;

#[derive(Serialize, Deserialize)]
pub struct TargetSpec {
    pub service: Ref<Service>,
    pub min: u32,
    pub max: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetOutput {
    pub scaling_id: String,
}

impl Kind for Target {
    const FACTS: Facts =
        Facts { name: "autoscaling.target", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = TargetSpec;
    type State = TargetState;
    type Output = TargetOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &TargetSpec, _: &Outputs) -> Result<TargetState, Missing> {
        Ok(TargetState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Target>) -> Result<Vec<Live<Target>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &TargetState) -> Result<TargetOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Target>, _: &TargetState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Target>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
