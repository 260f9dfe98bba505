//! `ec2.default_security_group`: SKELETON.

use serde::{Deserialize, Serialize};

use super::Vpc;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct DefaultSecurityGroup;

#[derive(Serialize, Deserialize)]
pub struct DefaultSecurityGroupSpec {
    /// Its default group is emptied, and goes with it.
    pub vpc: Ref<Vpc>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DefaultSecurityGroupState {}

impl Kind for DefaultSecurityGroup {
    const FACTS: Facts = Facts {
        name: "ec2.default_security_group",
        fields: &[],
        read_after: &["ec2.vpc"],
        actions: &["x:Y"],
        ..Facts::DEFAULT
    };

    type Spec = DefaultSecurityGroupSpec;
    type State = DefaultSecurityGroupState;
    type Output = ();
    type Ready = ();

    fn want(
        _: &Scope,
        _: &str,
        _: &DefaultSecurityGroupSpec,
        _: &Outputs,
    ) -> Result<DefaultSecurityGroupState, Missing> {
        Ok(DefaultSecurityGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, DefaultSecurityGroup>) -> Result<Vec<Live<DefaultSecurityGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &DefaultSecurityGroupState) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(
        _: &Cx,
        _: &Live<DefaultSecurityGroup>,
        _: &DefaultSecurityGroupState,
        _: &Changed,
    ) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<DefaultSecurityGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
