//! `ec2.route_table`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{InternetGateway, NatGateway, Subnet, Vpc};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct RouteTable;

#[derive(Serialize, Deserialize)]
pub struct RouteTableSpec {
    pub vpc: Ref<Vpc>,
    pub subnets: Vec<Ref<Subnet>>,
    /// Where `0.0.0.0/0` goes; neither for subnets without a way out.
    pub gateway: Option<Ref<InternetGateway>>,
    pub nat: Option<Ref<NatGateway>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RouteTableState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RouteTableOutput {
    pub id: String,
}

impl Kind for RouteTable {
    const FACTS: Facts =
        Facts { name: "ec2.route_table", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = RouteTableSpec;
    type State = RouteTableState;
    type Output = RouteTableOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &RouteTableSpec, _: &Outputs) -> Result<RouteTableState, Missing> {
        Ok(RouteTableState {})
    }

    async fn read(_: &Cx, _: &Query<'_, RouteTable>) -> Result<Vec<Live<RouteTable>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &RouteTableState) -> Result<RouteTableOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<RouteTable>, _: &RouteTableState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<RouteTable>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
