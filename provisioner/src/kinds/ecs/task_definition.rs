//! `ecs.task_definition`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ecr;
use crate::kinds::iam::Role;
use crate::kinds::logs::LogGroup;
use crate::kinds::secretsmanager::Secret;
use crate::kinds::variable::Variable;
use crate::scope::Scope;

pub struct TaskDefinition;

#[derive(Serialize, Deserialize)]
pub struct TaskDefinitionSpec {
    pub image: Image,
    pub command: Vec<String>,
    pub cpu: u32,
    pub memory: u32,
    pub port: u16,
    /// `X86_64` or `ARM64`.
    pub architecture: String,
    pub environment: Vec<(String, Variable)>,
    pub secrets: Vec<FromSecret>,
    pub execution_role: Ref<Role>,
    pub task_role: Ref<Role>,
    pub log_group: Ref<LogGroup>,
    /// The command of the container's health check; empty for an image of the user's own.
    pub health_command: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    Built(Ref<ecr::Image>),
    Named(String),
}

/// An environment variable that ECS fills from a secret when a task starts: `<arn>:<key>::<version id>`.
#[derive(Serialize, Deserialize)]
pub struct FromSecret {
    pub name: String,
    pub secret: Ref<Secret>,
    pub key: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TaskDefinitionState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TaskDefinitionOutput {
    pub arn: String,
}

impl Kind for TaskDefinition {
    const FACTS: Facts =
        Facts { name: "ecs.task_definition", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = TaskDefinitionSpec;
    type State = TaskDefinitionState;
    type Output = TaskDefinitionOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &TaskDefinitionSpec, _: &Outputs) -> Result<TaskDefinitionState, Missing> {
        Ok(TaskDefinitionState {})
    }

    async fn read(_: &Cx, _: &Query<'_, TaskDefinition>) -> Result<Vec<Live<TaskDefinition>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &TaskDefinitionState) -> Result<TaskDefinitionOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<TaskDefinition>, _: &TaskDefinitionState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<TaskDefinition>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
