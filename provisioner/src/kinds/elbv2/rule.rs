//! `elbv2.rule`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{Listener, TargetGroup};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct Rule;

#[derive(Serialize, Deserialize)]
pub struct RuleSpec {
    pub listener: Ref<Listener>,
    /// Steps of ten, stable.
    pub priority: u32,
    pub paths: Vec<String>,
    pub methods: Vec<String>,
    pub target: Ref<TargetGroup>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleOutput {
    pub arn: String,
}

impl Kind for Rule {
    const FACTS: Facts =
        Facts { name: "elbv2.rule", fields: &[], read_after: &["elbv2.listener"], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = RuleSpec;
    type State = RuleState;
    type Output = RuleOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &RuleSpec, _: &Outputs) -> Result<RuleState, Missing> {
        Ok(RuleState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Rule>) -> Result<Vec<Live<Rule>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &RuleState) -> Result<RuleOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Rule>, _: &RuleState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Rule>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
