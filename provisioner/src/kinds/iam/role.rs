//! `iam.role`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::kms::Key;
use crate::kinds::logs::LogGroup;
use crate::kinds::secretsmanager::Secret;
use crate::kinds::sns::Topic;
use crate::kinds::sqs::Queue;
use crate::scope::Scope;

pub struct Role;

#[derive(Serialize, Deserialize)]
pub struct RoleSpec {
    /// Who may assume it: `ecs-tasks.amazonaws.com`.
    pub service: String,
    pub statements: Vec<Statement>,
    /// ARNs of managed policies.
    pub managed: Vec<String>,
}

/// One statement of the role's inline policy, always `Allow`.
#[derive(Serialize, Deserialize)]
pub struct Statement {
    pub actions: Vec<String>,
    pub resources: Vec<Resource>,
    /// `Condition`, as JSON; `null` for none.
    pub condition: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// An ARN that is known beforehand, or `*`.
    Arn(String),
    Topic(Ref<Topic>),
    Queue(Ref<Queue>),
    Secret(Ref<Secret>),
    Key(Ref<Key>),
    /// The group's streams: `<arn>:*`.
    LogStreams(Ref<LogGroup>),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Role {
    const FACTS: Facts = Facts { name: "iam.role", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = RoleSpec;
    type State = RoleState;
    type Output = RoleOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &RoleSpec, _: &Outputs) -> Result<RoleState, Missing> {
        Ok(RoleState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Role>) -> Result<Vec<Live<Role>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &RoleState) -> Result<RoleOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Role>, _: &RoleState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Role>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
