//! `rds.parameter_group`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query};

use crate::scope::Scope;

pub struct ParameterGroup;

#[derive(Serialize, Deserialize)]
pub struct ParameterGroupSpec {
    /// `mysql8.4`. Another family is another group.
    pub family: String,
    pub parameters: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParameterGroupState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParameterGroupOutput {
    pub name: String,
}

impl Kind for ParameterGroup {
    const FACTS: Facts =
        Facts { name: "rds.parameter_group", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = ParameterGroupSpec;
    type State = ParameterGroupState;
    type Output = ParameterGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ParameterGroupSpec, _: &Outputs) -> Result<ParameterGroupState, Missing> {
        Ok(ParameterGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, ParameterGroup>) -> Result<Vec<Live<ParameterGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ParameterGroupState) -> Result<ParameterGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<ParameterGroup>, _: &ParameterGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<ParameterGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
