//! `ecs.task_definition`: the make-up of a service's tasks, for Fargate.
//!
//! A task definition is found by its family: the newest active revision counts. One `ListTaskDefinitionFamilies` by
//! prefix finds the families that nothing asks for any more. Names have at most 255 letters, digits, `-` and `_` (ECS
//! API reference, RegisterTaskDefinition). All calls end within a second, but ECS takes only one registration or
//! deregistration a second (ECS developer guide, request throttling). Nothing stops a second registration from making
//! another revision. A revision never changes, so an update registers a new one. The revision before it stays active,
//! because the circuit breaker of a service goes back to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, CpuArchitecture, HealthCheck, KeyValuePair, LogConfiguration, LogDriver,
    NetworkMode, OsFamily, PortMapping, RuntimePlatform, Secret as Injected, SortOrder, TaskDefinition as Answer,
    TaskDefinitionFamilyStatus, TaskDefinitionField, TaskDefinitionStatus, TransportProtocol,
};
use serde::{Deserialize, Serialize};

use super::{pairs, tag_list};
use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Effect, Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ecr;
use crate::kinds::iam::Role;
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::secretsmanager::AnySecret;
use crate::kinds::variable::Variable;
use crate::scope::Scope;

pub struct TaskDefinition;

#[derive(Serialize, Deserialize)]
pub struct TaskDefinitionSpec {
    pub image: Image,
    /// The user as `uid:gid`. It is never the user of the image, which may be root.
    pub user: String,
    pub command: Vec<String>,
    pub cpu: u32,
    pub memory: u32,
    pub port: u16,
    /// The architecture: `X86_64` or `ARM64`.
    pub architecture: String,
    pub environment: Vec<(String, Variable)>,
    pub secrets: Vec<FromSecret>,
    pub execution_role: Ref<Role>,
    /// The role that gives the containers their rights. Without a role they have none.
    pub task_role: Option<Ref<Role>>,
    pub log_group: Ref<LogGroup>,
    /// The command of the container's health check. It is empty for an image of the user's own.
    pub health_command: Vec<String>,
    /// The seconds in which that check may fail.
    pub start_period: u32,
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
    pub secret: AnySecret,
    pub key: String,
    /// Whether the value before the current one is in `<name>_PREVIOUS`, while there is one.
    pub and_previous: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TaskDefinitionState {
    pub family: String,
    pub image: String,
    pub command: Vec<String>,
    pub cpu: String,
    pub memory: String,
    pub port: u16,
    pub architecture: String,
    pub environment: BTreeMap<String, String>,
    /// The addresses of the secrets' values, with their versions. A value is never here.
    pub secrets: BTreeMap<String, String>,
    pub execution_role: String,
    pub task_role: Option<String>,
    pub log: BTreeMap<String, String>,
    pub health: Health,
    /// The user. `None` if the image decides.
    pub user: Option<String>,
    pub read_only: bool,
    /// The seconds between SIGTERM and SIGKILL.
    pub stop_timeout: i32,
    pub containers: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The command. It is empty if there is no health check.
    pub command: Vec<String>,
    /// The seconds between two checks.
    pub interval: i32,
    /// The seconds that one check may take.
    pub timeout: i32,
    pub retries: i32,
    /// The seconds in which a check may fail at the start.
    pub start_period: i32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TaskDefinitionOutput {
    pub arn: String,
}

impl Kind for TaskDefinition {
    const FACTS: Facts = Facts {
        name: "ecs.task_definition",
        fields: &[
            Field::fixed("family"),
            revised("image"),
            revised("command"),
            revised("cpu"),
            revised("memory"),
            revised("port"),
            revised("architecture"),
            revised("environment").hidden(),
            revised("secrets"),
            revised("execution_role"),
            revised("task_role"),
            revised("log"),
            revised("health"),
            revised("user"),
            revised("read_only"),
            revised("stop_timeout"),
            revised("containers"),
        ],
        seconds: Seconds { create: 1, update: 1, delete: 5 },
        unnamed: true,
        update_moves_output: true,
        retry: &[Retry::saying("ClientException", "Role is not valid", 60)],
        actions: &[
            "ecs:DeleteTaskDefinitions",
            "ecs:DeregisterTaskDefinition",
            "ecs:DescribeTaskDefinition",
            "ecs:ListTaskDefinitionFamilies",
            "ecs:ListTaskDefinitions",
            "ecs:RegisterTaskDefinition",
            "ecs:TagResource",
            "ecs:UntagResource",
            "iam:PassRole",
        ],
        ..Facts::DEFAULT
    };

    type Spec = TaskDefinitionSpec;
    type State = TaskDefinitionState;
    type Output = TaskDefinitionOutput;
    type Ready = ();

    fn want(
        scope: &Scope,
        name: &str,
        spec: &TaskDefinitionSpec,
        outputs: &Outputs,
    ) -> Result<TaskDefinitionState, Missing> {
        let mut environment = BTreeMap::new();
        for (key, variable) in &spec.environment {
            if let Some(value) = variable.value(outputs)? {
                environment.insert(key.clone(), value);
            }
        }
        let mut secrets = BTreeMap::new();
        for from in &spec.secrets {
            let secret = from.secret.output(outputs)?;
            let of = |version: &str| format!("{}:{}::{version}", secret.arn, from.key);
            secrets.insert(from.name.clone(), of(&secret.version_id));
            if let Some(previous) = secret.previous.as_ref().filter(|_| from.and_previous) {
                secrets.insert(format!("{}_PREVIOUS", from.name), of(previous));
            }
        }
        let image = match &spec.image {
            Image::Built(image) => outputs.get(image)?.uri,
            Image::Named(image) => image.clone(),
        };
        let log = [
            ("awslogs-group", outputs.get(&spec.log_group)?.name),
            ("awslogs-region", scope.region.clone()),
            ("awslogs-stream-prefix", name.to_owned()),
        ];
        let health = match spec.health_command.is_empty() {
            true => Health::default(),
            false => {
                let command = spec.health_command.clone();
                let start_period = i32::try_from(spec.start_period.min(LONGEST_START)).unwrap_or_default();
                Health { command, interval: 10, timeout: 5, retries: 3, start_period }
            }
        };
        Ok(TaskDefinitionState {
            family: family(scope, name),
            image,
            command: spec.command.clone(),
            cpu: spec.cpu.to_string(),
            memory: spec.memory.to_string(),
            port: spec.port,
            architecture: spec.architecture.clone(),
            environment,
            secrets,
            execution_role: outputs.get(&spec.execution_role)?.arn,
            task_role: match &spec.task_role {
                Some(role) => Some(outputs.get(role)?.arn),
                None => None,
            },
            log: log.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            health,
            user: Some(spec.user.clone()),
            read_only: true,
            stop_timeout: 30,
            containers: BTreeSet::from([name.to_owned()]),
        })
    }
}

impl OnAws for TaskDefinition {
    async fn read(cx: &Cx, query: &Query<'_, TaskDefinition>) -> Result<Vec<Live<TaskDefinition>>, Error> {
        let wanted = query.named(|name, _| family(&cx.scope, name));
        let mut families: BTreeSet<String> = wanted.keys().cloned().collect();
        match query.look.all(cx, "ecs:task-definition").await {
            Some(arns) => families.extend(arns.iter().filter_map(|arn| family_of(arn))),
            None => families.extend(listed(cx).await?),
        }
        collect(families.into_iter().collect(), |family| one(cx, family, &wanted)).await
    }

    async fn create(cx: &Cx, name: &str, want: &TaskDefinitionState) -> Result<TaskDefinitionOutput, Error> {
        register(cx, name, want).await
    }

    async fn update(
        cx: &Cx,
        live: &Live<TaskDefinition>,
        want: &TaskDefinitionState,
        _: &Changed,
    ) -> Result<(), Error> {
        let made = register(cx, &live.name, want).await?;
        let keep = [&made.arn, &live.output.arn];
        // The new revision is made. If old ones are left over, the next update takes them away.
        if let Ok(active) = active(cx, &want.family).await {
            for old in active.iter().filter(|arn| !keep.contains(arn)) {
                let _ = cx.ecs.deregister_task_definition().task_definition(old).send().await;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<TaskDefinition>, _: LastWish) -> Result<(), Error> {
        let active = active(cx, &live.state.family).await?;
        for arn in &active {
            cx.ecs.deregister_task_definition().task_definition(arn).send().await?;
        }
        // AWS takes ten revisions at once, and deletes them when no task uses them any more.
        for batch in active.chunks(10) {
            cx.ecs.delete_task_definitions().set_task_definitions(Some(batch.to_vec())).send().await?;
        }
        Ok(())
    }
}

/// The longest start period, in seconds (ECS API reference, HealthCheck, `startPeriod`).
const LONGEST_START: u32 = 300;

/// A field whose change makes a new revision, and tasks that replace the old ones step by step.
const fn revised(name: &'static str) -> Field {
    Field::wanted(name).with(Effect::Restart)
}

fn family(scope: &Scope, name: &str) -> String {
    scope.name(name, 255)
}

async fn register(cx: &Cx, name: &str, want: &TaskDefinitionState) -> Result<TaskDefinitionOutput, Error> {
    let platform = RuntimePlatform::builder().operating_system_family(OsFamily::Linux);
    let call = cx.ecs_once.register_task_definition().family(&want.family).network_mode(NetworkMode::Awsvpc);
    let call = call.requires_compatibilities(Compatibility::Fargate).cpu(&want.cpu).memory(&want.memory);
    let call = call.runtime_platform(platform.cpu_architecture(want.architecture.as_str().into()).build());
    let call = call.execution_role_arn(&want.execution_role).set_task_role_arn(want.task_role.clone());
    let made =
        call.container_definitions(container(name, want)?).set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?;
    let arn = made.task_definition.and_then(|made| made.task_definition_arn).unwrap_or_default();
    Ok(TaskDefinitionOutput { arn })
}

fn container(name: &str, want: &TaskDefinitionState) -> Result<ContainerDefinition, Error> {
    let port = PortMapping::builder().container_port(want.port.into()).protocol(TransportProtocol::Tcp).build();
    let log = want.log.clone().into_iter().collect();
    let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs).set_options(Some(log)).build()?;
    let mut container = ContainerDefinition::builder()
        .name(name)
        .image(&want.image)
        .essential(true)
        .set_command(Some(want.command.clone()))
        .port_mappings(port)
        .log_configuration(log)
        .set_user(want.user.clone())
        .readonly_root_filesystem(want.read_only)
        .stop_timeout(want.stop_timeout);
    for (key, value) in &want.environment {
        container = container.environment(KeyValuePair::builder().name(key).value(value).build());
    }
    for (key, from) in &want.secrets {
        container = container.secrets(Injected::builder().name(key).value_from(from).build()?);
    }
    let health = &want.health;
    if !health.command.is_empty() {
        let check = HealthCheck::builder().set_command(Some(health.command.clone())).interval(health.interval);
        let check = check.timeout(health.timeout).retries(health.retries).start_period(health.start_period);
        container = container.health_check(check.build()?);
    }
    Ok(container.build())
}

/// The ARNs of the active revisions of exactly this family.
async fn active(cx: &Cx, family: &str) -> Result<Vec<String>, Error> {
    let call = cx.ecs.list_task_definitions().family_prefix(family).status(TaskDefinitionStatus::Active);
    let mut arns: Vec<String> = call.sort(SortOrder::Desc).into_paginator().items().send().try_collect().await?;
    arns.retain(|arn| arn.contains(&format!("/{family}:")));
    Ok(arns)
}

/// The active families that have our prefix.
async fn listed(cx: &Cx) -> Result<Vec<String>, Error> {
    let list = cx.ecs.list_task_definition_families().family_prefix(format!("{}-", cx.scope.prefix()));
    let pages = list.status(TaskDefinitionFamilyStatus::Active).into_paginator().items().send();
    Ok(pages.try_collect().await?)
}

/// The family in the ARN of a revision: `a` of `arn:aws:ecs:…:task-definition/a:7`.
fn family_of(arn: &str) -> Option<String> {
    let (_, revision) = arn.rsplit_once('/')?;
    revision.split_once(':').map(|(family, _)| family.to_owned())
}

async fn one(cx: &Cx, family: String, wanted: &HashMap<String, &str>) -> Result<Option<Live<TaskDefinition>>, Error> {
    let call = cx.ecs.describe_task_definition().task_definition(&family).include(TaskDefinitionField::Tags);
    let answer = match call.send().await.map_err(Error::from) {
        Ok(answer) => answer,
        // ECS has no error code of its own for a family without active revisions.
        Err(error) if error.is(&["ClientException"]) && error.says("Unable to describe task definition") => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(found) = answer.task_definition() else {
        return Ok(None);
    };
    if found.status() != Some(&TaskDefinitionStatus::Active) {
        return Ok(None);
    }
    let Some(whose) = cx.scope.whose(pairs(answer.tags()), wanted.get(&family).copied()) else {
        return Ok(None);
    };
    let arn = found.task_definition_arn().unwrap_or_default().to_owned();
    let (state, output) = (state(found), TaskDefinitionOutput { arn: arn.clone() });
    Ok(Some(Live::ready(whose, arn, state, output)))
}

/// The state of a revision. It leaves out what AWS adds (a CPU of 0, the port of the host, empty lists).
fn state(found: &Answer) -> TaskDefinitionState {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let containers: BTreeSet<String> =
        found.container_definitions().iter().filter_map(|container| container.name.clone()).collect();
    let mut state = TaskDefinitionState {
        family: text(found.family()),
        cpu: text(found.cpu()),
        memory: text(found.memory()),
        execution_role: text(found.execution_role_arn()),
        task_role: found.task_role_arn().filter(|arn| !arn.is_empty()).map(str::to_owned),
        architecture: found
            .runtime_platform()
            .and_then(RuntimePlatform::cpu_architecture)
            .unwrap_or(&CpuArchitecture::X8664)
            .as_str()
            .to_owned(),
        containers,
        ..TaskDefinitionState::default()
    };
    let Some(container) = found.container_definitions().first() else {
        return state;
    };
    state.image = text(container.image());
    state.command = container.command().to_vec();
    let port = container.port_mappings().first().and_then(PortMapping::container_port);
    state.port = port.and_then(|port| port.try_into().ok()).unwrap_or_default();
    state.environment = container.environment().iter().map(|pair| (text(pair.name()), text(pair.value()))).collect();
    state.secrets = container.secrets().iter().map(|from| (from.name.clone(), from.value_from.clone())).collect();
    let options = container.log_configuration().and_then(LogConfiguration::options);
    state.log = options.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(check) = container.health_check() {
        state.health = Health {
            command: check.command().to_vec(),
            interval: check.interval().unwrap_or(30),
            timeout: check.timeout().unwrap_or(5),
            retries: check.retries().unwrap_or(3),
            start_period: check.start_period().unwrap_or(0),
        };
    }
    state.user = container.user().filter(|user| !user.is_empty()).map(str::to_owned);
    state.read_only = container.readonly_root_filesystem().unwrap_or(false);
    state.stop_timeout = container.stop_timeout().unwrap_or(30);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The things that AWS adds to a container, as in DescribeTaskDefinition of botocore's ecs examples: empty lists, a
    /// CPU of 0, the port of the host.
    #[test]
    fn what_aws_adds_is_no_difference() {
        let want = TaskDefinitionState {
            family: "hello_world".into(),
            image: "wordpress".into(),
            port: 80,
            architecture: "X86_64".into(),
            log: BTreeMap::from([("awslogs-group".into(), "/g".into())]),
            read_only: true,
            stop_timeout: 30,
            containers: BTreeSet::from(["wordpress".into()]),
            ..TaskDefinitionState::default()
        };
        let mut container = container("wordpress", &want).expect("complete");
        container.environment = Some(Vec::new());
        container.mount_points = Some(Vec::new());
        container.volumes_from = Some(Vec::new());
        let port = PortMapping::builder().container_port(80).host_port(80).protocol(TransportProtocol::Tcp).build();
        container.port_mappings = Some(vec![port]);
        let answer = Answer::builder().family("hello_world").revision(8).container_definitions(container).build();
        let json = |state: &TaskDefinitionState| serde_json::to_value(state).expect("plain data");
        assert_eq!(json(&state(&answer)), json(&want));
    }
}
