//! `lambda.permission`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Function;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::logs::LogGroup;
use crate::scope::Scope;

pub struct Permission;

#[derive(Serialize, Deserialize)]
pub struct PermissionSpec {
    pub function: Ref<Function>,
    /// `logs.amazonaws.com`
    pub principal: String,
    pub log_group: Ref<LogGroup>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PermissionState {}

impl Kind for Permission {
    const FACTS: Facts = Facts {
        name: "lambda.permission",
        fields: &[],
        read_after: &["lambda.function", "logs.log_group"],
        actions: &["x:Y"],
        ..Facts::DEFAULT
    };

    type Spec = PermissionSpec;
    type State = PermissionState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &PermissionSpec, _: &Outputs) -> Result<PermissionState, Missing> {
        Ok(PermissionState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Permission>) -> Result<Vec<Live<Permission>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &PermissionState) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Permission>, _: &PermissionState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Permission>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
