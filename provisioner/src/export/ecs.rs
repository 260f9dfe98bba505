//! Clusters, tasks and services.

use serde_json::{Value, json};

use super::it::It;
use super::tokens;
use crate::kinds::ecs::{
    ClusterState, Image, ServiceSpec, ServiceState, TaskDefinitionSpec, TaskDefinitionState, WayOut,
};
use crate::scope::Scope;

pub(super) fn scaling_id(_: &Scope, id: &str, want: &Value) -> String {
    format!("service/{}/{}", want["cluster"].as_str().unwrap_or_default(), tokens::of(id, "Name"))
}

pub(super) fn cluster(it: &mut It<'_>, want: ClusterState) {
    let ClusterState { name, container_insights } = want;
    let properties = json!({
        "ClusterName": name, "ClusterSettings": [{"Name": "containerInsights", "Value": container_insights}],
        "Tags": it.tags(),
    });
    it.put("AWS::ECS::Cluster", properties);
}

pub(super) fn task_definition(it: &mut It<'_>, spec: TaskDefinitionSpec, want: TaskDefinitionState) {
    let TaskDefinitionState {
        family,
        image,
        command,
        cpu,
        memory,
        port,
        architecture,
        environment,
        secrets,
        execution_role,
        task_role,
        log,
        health,
        user,
        read_only,
        stop_timeout,
        containers: _,
    } = want;
    let environment: Vec<Value> =
        environment.into_iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    let secrets: Vec<Value> =
        secrets.into_iter().map(|(name, from)| json!({"Name": name, "ValueFrom": from})).collect();
    let mut container = json!({
        "Name": it.name, "Image": image, "Essential": true, "Environment": environment,
        "PortMappings": [{"ContainerPort": port, "Protocol": "tcp"}],
        "LogConfiguration": {"LogDriver": "awslogs", "Options": log},
        "Privileged": false, "ReadonlyRootFilesystem": read_only, "StopTimeout": stop_timeout,
    });
    if !command.is_empty() {
        container["Command"] = json!(command);
    }
    if !secrets.is_empty() {
        container["Secrets"] = json!(secrets);
    }
    if let Some(user) = user {
        container["User"] = user.into();
    }
    if !health.command.is_empty() {
        container["HealthCheck"] = json!({
            "Command": health.command, "Interval": health.interval, "Timeout": health.timeout,
            "Retries": health.retries, "StartPeriod": health.start_period,
        });
    }
    let mut properties = json!({
        "Family": family, "Cpu": cpu, "Memory": memory, "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "RuntimePlatform": {"OperatingSystemFamily": "LINUX", "CpuArchitecture": architecture},
        "ExecutionRoleArn": execution_role, "ContainerDefinitions": [container], "Tags": it.tags(),
    });
    if let Some(role) = task_role {
        properties["TaskRoleArn"] = role.into();
    }
    it.put("AWS::ECS::TaskDefinition", properties).needs_image = matches!(spec.image, Image::Built(_));
}

/// Adds a service. Its target group has to be attached to a listener, and its tasks need the way out to fetch their
/// image.
pub(super) fn service(it: &mut It<'_>, spec: ServiceSpec, want: ServiceState) {
    let ServiceState {
        name,
        cluster,
        task_definition,
        tasks,
        tasks_at_first: _,
        subnets,
        security_groups,
        public_ip,
        targets,
        grace,
        rolling,
        platform,
        managed_tags,
        propagate_tags,
        execute_command,
        stalled: _,
    } = want;
    let mut before = Vec::new();
    for way in &spec.way_out {
        if let WayOut::Routes(table) = way {
            before.extend(it.all_of(table).into_iter().filter(|id| id != it.id_of(table)));
        }
    }
    if let Some(behind) = &spec.behind {
        before.extend(match &behind.rule {
            Some(rule) => it.all_of(rule),
            None => it.all_of(&behind.listener),
        });
    }
    let needs_image = it.other(&spec.task).needs_image;
    let balancers: Vec<Value> = targets
        .iter()
        .map(|to| json!({"TargetGroupArn": to.group, "ContainerName": to.container, "ContainerPort": to.port}))
        .collect();
    let network = json!({
        "Subnets": subnets, "SecurityGroups": security_groups,
        "AssignPublicIp": if public_ip { "ENABLED" } else { "DISABLED" },
    });
    let mut properties = json!({
        "ServiceName": name, "Cluster": cluster, "TaskDefinition": task_definition, "LaunchType": "FARGATE",
        "PlatformVersion": platform, "NetworkConfiguration": {"AwsvpcConfiguration": network},
        "DeploymentConfiguration": {
            "DeploymentCircuitBreaker": {"Enable": rolling.circuit_breaker, "Rollback": rolling.rollback},
            "MinimumHealthyPercent": rolling.at_least, "MaximumPercent": rolling.at_most,
        },
        "EnableECSManagedTags": managed_tags, "PropagateTags": propagate_tags, "EnableExecuteCommand": execute_command,
        "Tags": it.tags(),
    });
    // Under autoscaling, a number here would set the service back at every update of the stack.
    if let Some(tasks) = tasks {
        properties["DesiredCount"] = tasks.into();
    }
    if !balancers.is_empty() {
        properties["LoadBalancers"] = balancers.into();
        properties["HealthCheckGracePeriodSeconds"] = json!(grace);
    }
    it.put("AWS::ECS::Service", properties).after(before).needs_image = needs_image;
}
