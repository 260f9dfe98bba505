//! `ec2.vpc`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query};

use crate::scope::Scope;

pub struct Vpc;

#[derive(Serialize, Deserialize)]
pub struct VpcSpec {
    /// Chosen once: `10.0.0.0/16`.
    pub cidr: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcOutput {
    pub id: String,
}

impl Kind for Vpc {
    const FACTS: Facts = Facts { name: "ec2.vpc", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = VpcSpec;
    type State = VpcState;
    type Output = VpcOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &VpcSpec, _: &Outputs) -> Result<VpcState, Missing> {
        Ok(VpcState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Vpc>) -> Result<Vec<Live<Vpc>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &VpcState) -> Result<VpcOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Vpc>, _: &VpcState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Vpc>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
