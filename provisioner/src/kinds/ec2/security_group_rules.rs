//! `ec2.security_group_rules`: SKELETON.

use serde::{Deserialize, Serialize};

use super::SecurityGroup;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct SecurityGroupRules;

#[derive(Serialize, Deserialize)]
pub struct SecurityGroupRulesSpec {
    pub group: Ref<SecurityGroup>,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
}

/// TCP on one port, or everything.
#[derive(Serialize, Deserialize)]
pub struct Rule {
    pub peer: Peer,
    /// `None`: all ports and protocols.
    pub port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    Group(Ref<SecurityGroup>),
    Cidr(String),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecurityGroupRulesState {}

impl Kind for SecurityGroupRules {
    const FACTS: Facts = Facts {
        name: "ec2.security_group_rules",
        fields: &[],
        read_after: &["ec2.security_group"],
        actions: &["x:Y"],
        ..Facts::DEFAULT
    };

    type Spec = SecurityGroupRulesSpec;
    type State = SecurityGroupRulesState;
    type Output = ();
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &SecurityGroupRulesSpec, _: &Outputs) -> Result<SecurityGroupRulesState, Missing> {
        Ok(SecurityGroupRulesState {})
    }

    async fn read(_: &Cx, _: &Query<'_, SecurityGroupRules>) -> Result<Vec<Live<SecurityGroupRules>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &SecurityGroupRulesState) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(
        _: &Cx,
        _: &Live<SecurityGroupRules>,
        _: &SecurityGroupRulesState,
        _: &Changed,
    ) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<SecurityGroupRules>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
