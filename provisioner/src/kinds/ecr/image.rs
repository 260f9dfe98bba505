//! `ecr.image`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Repository;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct Image;

#[derive(Serialize, Deserialize)]
pub struct ImageSpec {
    pub repository: Ref<Repository>,
    /// `sha256:…` of the manifest that we built. Another digest is another image: the old one stays for a way back.
    pub digest: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImageState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImageOutput {
    /// `<repository>@sha256:…`
    pub uri: String,
}

impl Kind for Image {
    const FACTS: Facts = Facts { name: "ecr.image", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = ImageSpec;
    type State = ImageState;
    type Output = ImageOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ImageSpec, _: &Outputs) -> Result<ImageState, Missing> {
        Ok(ImageState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Image>) -> Result<Vec<Live<Image>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ImageState) -> Result<ImageOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Image>, _: &ImageState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Image>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
