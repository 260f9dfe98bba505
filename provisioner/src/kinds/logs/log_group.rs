//! `logs.log_group`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::kms::Key;
use crate::scope::Scope;

pub struct LogGroup;

#[derive(Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// The whole name, as in `/sendy-dev/lookup`.
    pub path: String,
    pub retention_days: u32,
    pub kms_key: Ref<Key>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogGroupState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogGroupOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for LogGroup {
    const FACTS: Facts =
        Facts { name: "logs.log_group", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = LogGroupSpec;
    type State = LogGroupState;
    type Output = LogGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &LogGroupSpec, _: &Outputs) -> Result<LogGroupState, Missing> {
        Ok(LogGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, LogGroup>) -> Result<Vec<Live<LogGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &LogGroupState) -> Result<LogGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<LogGroup>, _: &LogGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<LogGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
