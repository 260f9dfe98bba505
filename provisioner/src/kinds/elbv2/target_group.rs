//! `elbv2.target_group`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::Vpc;
use crate::scope::Scope;

pub struct TargetGroup;

#[derive(Serialize, Deserialize)]
pub struct TargetGroupSpec {
    pub vpc: Ref<Vpc>,
    pub port: u16,
    /// The path of the health check.
    pub health: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetGroupState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetGroupOutput {
    pub arn: String,
    /// `targetgroup/<name>/<id>`, for metrics.
    pub full_name: String,
}

impl Kind for TargetGroup {
    const FACTS: Facts =
        Facts { name: "elbv2.target_group", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = TargetGroupSpec;
    type State = TargetGroupState;
    type Output = TargetGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &TargetGroupSpec, _: &Outputs) -> Result<TargetGroupState, Missing> {
        Ok(TargetGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, TargetGroup>) -> Result<Vec<Live<TargetGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &TargetGroupState) -> Result<TargetGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<TargetGroup>, _: &TargetGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<TargetGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
