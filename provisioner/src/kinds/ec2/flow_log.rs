//! `ec2.flow_log`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Vpc;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::iam::Role;
use crate::kinds::logs::LogGroup;
use crate::scope::Scope;

pub struct FlowLog;

#[derive(Serialize, Deserialize)]
pub struct FlowLogSpec {
    pub vpc: Ref<Vpc>,
    pub role: Ref<Role>,
    pub log_group: Ref<LogGroup>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FlowLogState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FlowLogOutput {
    pub id: String,
}

impl Kind for FlowLog {
    const FACTS: Facts =
        Facts { name: "ec2.flow_log", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = FlowLogSpec;
    type State = FlowLogState;
    type Output = FlowLogOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &FlowLogSpec, _: &Outputs) -> Result<FlowLogState, Missing> {
        Ok(FlowLogState {})
    }

    async fn read(_: &Cx, _: &Query<'_, FlowLog>) -> Result<Vec<Live<FlowLog>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &FlowLogState) -> Result<FlowLogOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<FlowLog>, _: &FlowLogState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<FlowLog>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
