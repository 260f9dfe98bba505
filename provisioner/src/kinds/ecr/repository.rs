//! `ecr.repository`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::kms::Key;
use crate::scope::Scope;

pub struct Repository;

#[derive(Serialize, Deserialize)]
pub struct RepositorySpec {
    pub kms_key: Ref<Key>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepositoryState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepositoryOutput {
    pub arn: String,
    pub uri: String,
    pub name: String,
}

impl Kind for Repository {
    const FACTS: Facts =
        Facts { name: "ecr.repository", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = RepositorySpec;
    type State = RepositoryState;
    type Output = RepositoryOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &RepositorySpec, _: &Outputs) -> Result<RepositoryState, Missing> {
        Ok(RepositoryState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Repository>) -> Result<Vec<Live<Repository>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &RepositoryState) -> Result<RepositoryOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Repository>, _: &RepositoryState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Repository>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
