//! `ec2.internet_gateway`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Vpc;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct InternetGateway;

#[derive(Serialize, Deserialize)]
pub struct InternetGatewaySpec {
    pub vpc: Ref<Vpc>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InternetGatewayState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InternetGatewayOutput {
    pub id: String,
}

impl Kind for InternetGateway {
    const FACTS: Facts =
        Facts { name: "ec2.internet_gateway", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = InternetGatewaySpec;
    type State = InternetGatewayState;
    type Output = InternetGatewayOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &InternetGatewaySpec, _: &Outputs) -> Result<InternetGatewayState, Missing> {
        Ok(InternetGatewayState {})
    }

    async fn read(_: &Cx, _: &Query<'_, InternetGateway>) -> Result<Vec<Live<InternetGateway>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &InternetGatewayState) -> Result<InternetGatewayOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<InternetGateway>, _: &InternetGatewayState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<InternetGateway>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
