//! `kms.key`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query};

use crate::scope::Scope;

pub struct Key;

#[derive(Serialize, Deserialize)]
pub struct KeySpec {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyOutput {
    pub arn: String,
    pub id: String,
}

impl Kind for Key {
    const FACTS: Facts = Facts { name: "kms.key", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = KeySpec;
    type State = KeyState;
    type Output = KeyOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &KeySpec, _: &Outputs) -> Result<KeyState, Missing> {
        Ok(KeyState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Key>) -> Result<Vec<Live<Key>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &KeyState) -> Result<KeyOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Key>, _: &KeyState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Key>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
