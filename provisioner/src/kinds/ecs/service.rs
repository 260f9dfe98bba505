//! `ecs.service`: tasks that are kept running on Fargate, and rolled from one revision to the next.
//!
//! Services are found by name: one `DescribeServices` per ten, and one `ListServices` per cluster for services that
//! nothing asks for any more. Names have at most 255 letters, digits, `-` and `_` (ECS API reference, CreateService).
//! The create answers at once. Tasks run after about a minute. A deployment takes 2 to 6 minutes, a deletion 30 to 60 s
//! if deregistration is short. A service that drains blocks its name.
//!
//! A service is ready when our revision is the primary deployment and complete, nothing else runs, and the load
//! balancer finds a healthy target. A circuit breaker ends a deployment whose tasks do not start, and goes back to the
//! revision before. That is a failure too, although the service is steady then. The next run tries again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, Deployment, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentRolloutState, LaunchType, LoadBalancer, NetworkConfiguration, PropagateTags, Service as Answer,
    ServiceField,
};
use serde::{Deserialize, Serialize};

use super::evidence::{self, Setting};
use super::{Behind, Cluster, TaskDefinition, WayOut, pairs, rollout, tag_list};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Proof, collect, each};
use crate::kind::facts::{Effect, Facts, Field, Retry, Seconds};
use crate::kind::json::Json;
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::ec2::{SecurityGroup, Subnet};
use crate::kinds::lambda::Migration;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::plan::diff::diff;
use crate::scope::Scope;

pub struct Service;

#[derive(Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The migrations that come before the service, and before each change of it.
    pub after: Vec<Ref<Migration>>,
    pub cluster: Ref<Cluster>,
    pub task: Ref<TaskDefinition>,
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    pub tasks: u32,
    /// Whether autoscaling decides the number of tasks. Then the service starts with `tasks`, and AWS changes the
    /// number afterwards.
    #[serde(default)]
    pub scaled: bool,
    pub behind: Option<Behind>,
    /// The ways out of the network. They have to exist before a task starts: without them ECS backs off for up to 15
    /// minutes.
    pub way_out: Vec<WayOut>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceState {
    pub name: String,
    pub cluster: String,
    pub task_definition: String,
    /// The number of tasks. `None` if autoscaling decides it.
    pub tasks: Option<u32>,
    pub tasks_at_first: u32,
    pub subnets: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    pub public_ip: bool,
    pub targets: Vec<Targets>,
    /// The seconds in which the load balancer's opinion does not count. Only a service behind a load balancer has them.
    pub grace: Option<i32>,
    pub rolling: Rolling,
    pub platform: String,
    pub managed_tags: bool,
    pub propagate_tags: String,
    /// Whether people can open a shell in a running task.
    pub execute_command: bool,
    /// Whether the circuit breaker has given up and had no revision to go back to.
    pub stalled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    pub group: String,
    pub container: String,
    pub port: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rolling {
    pub circuit_breaker: bool,
    pub rollback: bool,
    /// The least number of tasks during a deployment, in per cent of the wanted tasks.
    pub at_least: i32,
    pub at_most: i32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceOutput {
    pub arn: String,
    pub name: String,
    /// The name of the service for autoscaling: `service/<cluster>/<service>`.
    pub scaling_id: String,
}

/// The note for changes that replace tasks: old tasks go when new ones are healthy.
const ROLLING: &str = "tasks are replaced one by one, none goes before another is healthy";

impl Kind for Service {
    const FACTS: Facts = Facts {
        name: "ecs.service",
        fields: &[
            Field::fixed("name"),
            Field::fixed("cluster"),
            Field::wanted("task_definition").with(Effect::Restart).note(ROLLING),
            Field::wanted("tasks"),
            Field::theirs("tasks_at_first"),
            Field::wanted("subnets").with(Effect::Restart).note(ROLLING),
            Field::wanted("security_groups").with(Effect::Restart).note(ROLLING),
            Field::wanted("public_ip").with(Effect::Restart).note(ROLLING),
            Field::wanted("targets").with(Effect::Restart).note(ROLLING),
            Field::wanted("grace"),
            Field::wanted("rolling"),
            Field::wanted("platform").with(Effect::Restart).note(ROLLING),
            Field::wanted("managed_tags"),
            Field::wanted("propagate_tags"),
            Field::wanted("execute_command").with(Effect::Restart).note(ROLLING),
            Field::wanted("stalled").with(Effect::Restart).note(ROLLING),
        ],
        seconds: Seconds { create: 120, update: 180, delete: 60 },
        read_after: &["ecs.cluster", "ecs.task_definition", "elbv2.target_group"],
        serves: true,
        retry: &[
            Retry::code("ClusterNotFoundException", 120),
            Retry::saying("InvalidParameterException", "does not have an associated load balancer", 120),
            Retry::saying("InvalidParameterException", "Creation of service was not idempotent", 60),
            Retry::saying("InvalidParameterException", "ECS service role", 120),
            Retry::saying("InvalidParameterException", "still Draining", 600),
            Retry::saying("InvalidParameterException", "while deployments are active", 1200),
            Retry::code("ServiceNotActiveException", 120),
            Retry::code("UpdateInProgressException", 120),
        ],
        actions: &[
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ecs:CreateService",
            "ecs:DeleteService",
            "ecs:DescribeServices",
            "ecs:DescribeTaskDefinition",
            "ecs:DescribeTasks",
            "ecs:ListServices",
            "ecs:ListTasks",
            "ecs:TagResource",
            "ecs:UntagResource",
            "ecs:UpdateService",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
            "iam:CreateServiceLinkedRole",
            "iam:PassRole",
            "logs:GetLogEvents",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ServiceSpec;
    type State = ServiceState;
    type Output = ServiceOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &ServiceSpec, outputs: &Outputs) -> Result<ServiceState, Missing> {
        for migration in &spec.after {
            outputs.ready(migration)?;
        }
        for way in &spec.way_out {
            match way {
                WayOut::Nat(nat) => outputs.ready(nat)?,
                WayOut::Routes(routes) => drop(outputs.get(routes)?),
            }
        }
        let subnets = outputs.of_each(&spec.subnets, |subnet| subnet.id)?;
        let security_groups = outputs.of_each(&spec.security_groups, |group| group.id)?;
        let mut targets = Vec::new();
        if let Some(behind) = &spec.behind {
            outputs.get(&behind.listener)?;
            if let Some(rule) = &behind.rule {
                outputs.get(rule)?;
            }
            let group = outputs.get(&behind.target_group)?.arn;
            targets.push(Targets { group, container: spec.task.name.clone(), port: behind.port.into() });
        }
        Ok(ServiceState {
            name: aws_name(scope, name),
            cluster: outputs.get(&spec.cluster)?.name,
            task_definition: outputs.get(&spec.task)?.arn,
            tasks: (!spec.scaled).then_some(spec.tasks),
            tasks_at_first: spec.tasks,
            subnets,
            security_groups,
            public_ip: false,
            grace: spec.behind.as_ref().map(|behind| i32::try_from(behind.grace).unwrap_or(i32::MAX)),
            targets,
            rolling: Rolling { circuit_breaker: true, rollback: true, at_least: 100, at_most: 200 },
            platform: "LATEST".to_owned(),
            managed_tags: true,
            propagate_tags: PropagateTags::Service.as_str().to_owned(),
            execute_command: false,
            stalled: false,
        })
    }

    /// The circuit breaker gives up after at least three tasks (ECS developer guide, deployment circuit breaker). A
    /// service with one task starts them one after the other, and each of them has its grace.
    fn patience(spec: &ServiceSpec) -> u32 {
        spec.behind.as_ref().map_or(0, |behind| 3 * (behind.grace + behind.health_takes))
    }
}

impl OnAws for Service {
    async fn read(cx: &Cx, query: &Query<'_, Service>) -> Result<Vec<Live<Service>>, Error> {
        let clusters = query.outputs.all::<Cluster>().into_iter().map(|(_, cluster)| cluster.name).collect();
        collect(clusters, |cluster| of_cluster(cx, cluster, query)).await
    }

    async fn create(cx: &Cx, name: &str, want: &ServiceState) -> Result<ServiceOutput, Error> {
        let call = cx.ecs.create_service().cluster(&want.cluster).service_name(&want.name);
        let call = call.task_definition(&want.task_definition).launch_type(LaunchType::Fargate);
        let call = call.desired_count(count(want)).platform_version(&want.platform);
        let call = call.network_configuration(network(want)?).deployment_configuration(rolling(want));
        let call =
            call.set_load_balancers(Some(load_balancers(want))).set_health_check_grace_period_seconds(want.grace);
        let call = call.enable_ecs_managed_tags(want.managed_tags).enable_execute_command(want.execute_command);
        let call =
            call.propagate_tags(want.propagate_tags.as_str().into()).set_tags(Some(tag_list(cx.scope.tags(name))));
        call.send().await?;
        Ok(output(&cx.scope, &want.cluster, &want.name))
    }

    async fn update(cx: &Cx, live: &Live<Service>, want: &ServiceState, changed: &Changed) -> Result<(), Error> {
        let has = |field: &str| changed.has(field);
        let network = match changed.any(&["subnets", "security_groups", "public_ip"]) {
            true => Some(network(want)?),
            false => None,
        };
        let call = cx.ecs.update_service().cluster(&want.cluster).service(&live.output.name);
        // A field that the call has starts new tasks, even if its value is the old one.
        call.set_task_definition(has("task_definition").then(|| want.task_definition.clone()))
            .set_desired_count(has("tasks").then(|| count(want)))
            .set_network_configuration(network)
            .set_load_balancers(has("targets").then(|| load_balancers(want)))
            .set_health_check_grace_period_seconds(want.grace.filter(|_| changed.any(&["grace", "targets"])))
            .set_deployment_configuration(has("rolling").then(|| rolling(want)))
            .set_platform_version(has("platform").then(|| want.platform.clone()))
            .set_enable_ecs_managed_tags(has("managed_tags").then_some(want.managed_tags))
            .set_propagate_tags(has("propagate_tags").then(|| want.propagate_tags.as_str().into()))
            .set_enable_execute_command(has("execute_command").then_some(want.execute_command))
            .force_new_deployment(has("stalled"))
            .send()
            .await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Service>, _: LastWish) -> Result<(), Error> {
        let (cluster, service) = (&live.state.cluster, &live.output.name);
        // A write that an earlier run has done is not done again. Otherwise runs that are each cut off at their first
        // write would never get further.
        if live.state.tasks != Some(0) {
            let call = cx.ecs.update_service().cluster(cluster).service(service).desired_count(0);
            Error::unless_gone(call.send().await, GONE)?;
        }
        let call = cx.ecs.delete_service().cluster(cluster).service(service).force(true);
        Error::or_gone(call.send().await, GONE)
    }

    async fn explain(cx: &Cx, live: &Live<Service>) -> Evidence {
        let groups: Vec<&str> = live.state.targets.iter().map(|targets| targets.group.as_str()).collect();
        let setting = Setting { name: &live.name, grace: live.state.grace };
        evidence::of_service(cx, &live.state.cluster, &live.output.name, &groups, setting).await
    }
}

const GONE: &[&str] = &["ClusterNotFoundException", "ServiceNotActiveException", "ServiceNotFoundException"];

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255)
}

fn output(scope: &Scope, cluster: &str, name: &str) -> ServiceOutput {
    let scaling_id = format!("service/{cluster}/{name}");
    ServiceOutput { arn: scope.arn("ecs", &scaling_id), name: name.to_owned(), scaling_id }
}

fn count(want: &ServiceState) -> i32 {
    i32::try_from(want.tasks.unwrap_or(want.tasks_at_first)).unwrap_or(i32::MAX)
}

fn network(want: &ServiceState) -> Result<NetworkConfiguration, Error> {
    let address = if want.public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
    let inside = AwsVpcConfiguration::builder()
        .set_subnets(Some(want.subnets.iter().cloned().collect()))
        .set_security_groups(Some(want.security_groups.iter().cloned().collect()))
        .assign_public_ip(address);
    Ok(NetworkConfiguration::builder().awsvpc_configuration(inside.build()?).build())
}

fn rolling(want: &ServiceState) -> DeploymentConfiguration {
    let Rolling { circuit_breaker, rollback, at_least, at_most } = want.rolling;
    let breaker = DeploymentCircuitBreaker::builder().enable(circuit_breaker).rollback(rollback).build();
    let rolling = DeploymentConfiguration::builder().deployment_circuit_breaker(breaker);
    rolling.minimum_healthy_percent(at_least).maximum_percent(at_most).build()
}

fn load_balancers(want: &ServiceState) -> Vec<LoadBalancer> {
    let attach = |targets: &Targets| {
        let one = LoadBalancer::builder().target_group_arn(&targets.group).container_name(&targets.container);
        one.container_port(targets.port).build()
    };
    want.targets.iter().map(attach).collect()
}

async fn of_cluster(cx: &Cx, cluster: String, query: &Query<'_, Service>) -> Result<Vec<Live<Service>>, Error> {
    let mut wanted: BTreeMap<String, (&str, Option<ServiceState>)> = BTreeMap::new();
    for (name, spec) in &query.wanted {
        if query.outputs.get(&spec.cluster).is_ok_and(|parent| parent.name == cluster) {
            let want = Service::want(query.scope, name, spec, query.outputs).ok();
            wanted.insert(aws_name(query.scope, name), (name, want));
        }
    }
    let arns = match query.look.all(cx, &format!("ecs:service/{cluster}/")).await {
        Some(arns) => arns,
        None => {
            let list = cx.ecs.list_services().cluster(&cluster).max_results(100).into_paginator().items().send();
            Error::unless_gone(list.try_collect().await, GONE)?.unwrap_or_default()
        }
    };
    let mut names: BTreeSet<String> = wanted.keys().cloned().collect();
    names.extend(arns.iter().filter_map(|arn| arn.rsplit('/').next()).map(str::to_owned));
    let names: Vec<String> = names.into_iter().collect();
    let batches = names.chunks(10).map(<[String]>::to_vec).collect();
    let mut live = Vec::new();
    let describe = |batch| cx.ecs.describe_services().cluster(&cluster).set_services(Some(batch));
    for answer in each(batches, |batch| describe(batch).include(ServiceField::Tags).send()).await {
        let found = Error::unless_gone(answer, GONE);
        for service in found?.and_then(|answer| answer.services).unwrap_or_default() {
            let this = service.service_name().and_then(|name| wanted.get(name));
            let Some((name, owner)) = cx.scope.whose(pairs(service.tags()), this.map(|(name, _)| *name)) else {
                continue;
            };
            let state = state(&cluster, &service);
            // A service that is not as wanted takes an update at any time, so there is nothing to wait for before it.
            let want = this.and_then(|(_, want)| want.as_ref());
            let differs = want.map(|want| differences(&state, want)).unwrap_or_default();
            let Some(mut status) = rollout::status(&service, &differs) else {
                continue;
            };
            // A plan only compares. Whether requests are answered matters to a run that changes something, and to the
            // status.
            let closely = query.look.proof == Proof::Service;
            if closely && status == Status::Ready && differs.is_empty() && service.desired_count() > 0 {
                let groups = state.targets.iter().map(|targets| targets.group.as_str());
                status = rollout::healthy(cx, groups).await?;
            }
            let output = output(&cx.scope, &cluster, &state.name);
            live.push(Live { status, ..Live::ready((name, owner), output.arn.clone(), state, output) });
        }
    }
    Ok(live)
}

fn differences(live: &ServiceState, want: &ServiceState) -> Vec<String> {
    diff(&Service::FACTS, &Json::of(live), &Json::of(want)).iter().map(|change| change.field().to_owned()).collect()
}

fn state(cluster: &str, service: &Answer) -> ServiceState {
    let inside = service.network_configuration().and_then(NetworkConfiguration::awsvpc_configuration);
    let deploying = service.deployment_configuration();
    let breaker = deploying.and_then(DeploymentConfiguration::deployment_circuit_breaker);
    let primary = rollout::primary(service);
    let attached = |one: &LoadBalancer| Targets {
        group: one.target_group_arn().unwrap_or_default().to_owned(),
        container: one.container_name().unwrap_or_default().to_owned(),
        port: one.container_port().unwrap_or_default(),
    };
    let tasks = u32::try_from(service.desired_count()).unwrap_or(0);
    ServiceState {
        name: service.service_name().unwrap_or_default().to_owned(),
        cluster: cluster.to_owned(),
        task_definition: primary
            .and_then(Deployment::task_definition)
            .or(service.task_definition())
            .unwrap_or_default()
            .to_owned(),
        tasks: Some(tasks),
        tasks_at_first: tasks,
        subnets: inside.into_iter().flat_map(AwsVpcConfiguration::subnets).cloned().collect(),
        security_groups: inside.into_iter().flat_map(AwsVpcConfiguration::security_groups).cloned().collect(),
        public_ip: inside.and_then(AwsVpcConfiguration::assign_public_ip) == Some(&AssignPublicIp::Enabled),
        targets: service.load_balancers().iter().map(attached).collect(),
        grace: service.health_check_grace_period_seconds(),
        rolling: Rolling {
            circuit_breaker: breaker.is_some_and(|breaker| breaker.enable),
            rollback: breaker.is_some_and(|breaker| breaker.rollback),
            at_least: deploying.and_then(DeploymentConfiguration::minimum_healthy_percent).unwrap_or(100),
            at_most: deploying.and_then(DeploymentConfiguration::maximum_percent).unwrap_or(200),
        },
        platform: service.platform_version().unwrap_or_default().to_owned(),
        managed_tags: service.enable_ecs_managed_tags(),
        propagate_tags: service.propagate_tags().map_or("NONE", PropagateTags::as_str).to_owned(),
        execute_command: service.enable_execute_command(),
        stalled: primary.and_then(Deployment::rollout_state) == Some(&DeploymentRolloutState::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of AWS, as recorded by cloud-custodian: placebo `test_ecs_service_subnet`, ecs.DescribeServices_1,
    /// `test-yes-tag`.
    #[test]
    fn a_recorded_answer_reads_as_it_is() {
        let inside = AwsVpcConfiguration::builder()
            .subnets("subnet-06261c743949f093d")
            .security_groups("sg-034c1e48ec56c8bcb")
            .assign_public_ip(AssignPublicIp::Disabled);
        let inside = NetworkConfiguration::builder().awsvpc_configuration(inside.build().expect("complete")).build();
        let breaker = DeploymentCircuitBreaker::builder().enable(false).rollback(false).build();
        let rolling = DeploymentConfiguration::builder().deployment_circuit_breaker(breaker);
        let task = "arn:aws:ecs:us-east-1:644160558196:task-definition/ecs-read-only-root:1";
        let primary = Deployment::builder().id("ecs-svc/9223370485788397741").status("PRIMARY").task_definition(task);
        let answer = Answer::builder()
            .service_name("test-yes-tag")
            .status("ACTIVE")
            .platform_version("LATEST")
            .task_definition(task)
            .deployments(primary.rollout_state(DeploymentRolloutState::Completed).build())
            .deployment_configuration(rolling.maximum_percent(200).minimum_healthy_percent(0).build())
            .network_configuration(inside)
            .enable_ecs_managed_tags(true)
            .propagate_tags(PropagateTags::None)
            .build();
        let state = state("test", &answer);
        assert_eq!(state.rolling, Rolling { at_least: 0, at_most: 200, ..Rolling::default() });
        assert_eq!((state.tasks, state.grace, state.stalled), (Some(0), None, false));
        assert_eq!((state.public_ip, state.managed_tags, state.propagate_tags.as_str()), (false, true, "NONE"));
        assert_eq!(rollout::status(&answer, &[]), Some(Status::Ready));
    }

    /// `up` waits at least for the grace and the time of the health check.
    #[test]
    fn a_slow_container_is_waited_for() {
        let spec = |behind| ServiceSpec {
            after: Vec::new(),
            cluster: Ref::to("main"),
            task: Ref::to("shop"),
            subnets: Vec::new(),
            security_groups: Vec::new(),
            tasks: 1,
            scaled: false,
            behind,
            way_out: Vec::new(),
        };
        let (target_group, listener) = (Ref::to("shop"), Ref::to("web"));
        let behind = Behind { target_group, port: 8080, listener, rule: None, grace: 1800, health_takes: 30 };
        assert_eq!(Service::patience(&spec(Some(behind))), 3 * 1830);
        assert_eq!(Service::patience(&spec(None)), 0);
    }

    #[test]
    fn under_autoscaling_the_count_is_no_difference() {
        let live = ServiceState { tasks: Some(7), tasks_at_first: 7, ..ServiceState::default() };
        let want = |tasks| ServiceState { tasks, tasks_at_first: 2, ..ServiceState::default() };
        assert_eq!(differences(&live, &want(None)), [""; 0]);
        assert_eq!(differences(&live, &want(Some(2))), ["tasks"]);
    }
}
