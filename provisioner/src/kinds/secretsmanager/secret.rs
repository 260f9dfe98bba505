//! `secretsmanager.secret`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::kms::Key;
use crate::scope::Scope;

pub struct Secret;

#[derive(Serialize, Deserialize)]
pub struct SecretSpec {
    /// What it is for, shown in the console.
    pub description: String,
    pub kms_key: Ref<Key>,
    /// The user that the password is for. `None`: the secret is a token, under the JSON key `token`.
    pub username: Option<String>,
    /// Characters of the generated password or token.
    pub length: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretOutput {
    pub arn: String,
    /// The version that is current: task definitions pin it.
    pub version_id: String,
}

impl Kind for Secret {
    const FACTS: Facts =
        Facts { name: "secretsmanager.secret", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = SecretSpec;
    type State = SecretState;
    type Output = SecretOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &SecretSpec, _: &Outputs) -> Result<SecretState, Missing> {
        Ok(SecretState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Secret>) -> Result<Vec<Live<Secret>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &SecretState) -> Result<SecretOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Secret>, _: &SecretState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Secret>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
