//! `ecs.cluster`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query};

use crate::scope::Scope;

pub struct Cluster;

#[derive(Serialize, Deserialize)]
pub struct ClusterSpec {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClusterState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClusterOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Cluster {
    const FACTS: Facts =
        Facts { name: "ecs.cluster", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = ClusterSpec;
    type State = ClusterState;
    type Output = ClusterOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ClusterSpec, _: &Outputs) -> Result<ClusterState, Missing> {
        Ok(ClusterState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Cluster>) -> Result<Vec<Live<Cluster>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ClusterState) -> Result<ClusterOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Cluster>, _: &ClusterState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Cluster>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
