//! Services and tasks: the things that must exist before them, and the sizes that Fargate offers.

use super::{Verdict, names, refuse};
use crate::account::{Account, last_part, service_id, service_key};
use crate::request::Request;
use serde_json::Value;

/// Fargate's table: CPU units, and the MiB that go with them as (first, last, step).
const FARGATE: &[(i64, i64, i64, i64)] = &[
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    match request.action.as_str() {
        "CreateService" => create_service(account, request),
        "DeleteService" => {
            let service = account.get(&request.home, "ecs.service", &service_id(request)?)?;
            let desired = service.params.get("desiredCount").and_then(Value::as_i64).unwrap_or(0);
            if desired == 0 || request.flag("force") == Some(true) {
                return None;
            }
            let message = "The service cannot be stopped while it is scaled above 0.";
            refuse("service-scaled-up", 400, "InvalidParameterException", message)
        }
        "DeleteCluster" => {
            let cluster = last_part(request.text("cluster")?);
            let services = account.users(&request.home, &format!("ecs.cluster:{cluster}"));
            let message = format!("The Cluster cannot be deleted while Services are active: {}", names(&services));
            if services.is_empty() { None } else { refuse("cluster-in-use", 400, "ClusterContainsServicesException", message) }
        }
        "RegisterTaskDefinition" => task_definition(request),
        "RunTask" => run_task(account, request),
        "RegisterScalableTarget" => {
            let id = request.text("ResourceId").filter(|id| id.starts_with("service/"))?;
            let mut parts = id.split('/').skip(1);
            let (cluster, service) = (parts.next()?, parts.next()?);
            let there = account.get(&request.home, "ecs.service", &service_key(service, Some(cluster))).is_some();
            if there {
                None
            } else {
                refuse("scaling-without-service", 400, "ValidationException", format!("ECS service doesn't exist: {id}"))
            }
        }
        _ => None,
    }
}

fn create_service(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    let cluster = request.text("cluster").map_or("default".to_owned(), last_part);
    if account.get(home, "ecs.cluster", &cluster).is_none() {
        return refuse("cluster-missing", 400, "ClusterNotFoundException", "Cluster not found.");
    }
    if service_id(request).is_some_and(|id| account.get(home, "ecs.service", &id).is_some()) {
        return refuse("duplicate", 400, "InvalidParameterException", "Creation of service was not idempotent.");
    }
    for binding in request.params.get("loadBalancers").and_then(Value::as_array).into_iter().flatten() {
        let Some(group) = binding["targetGroupArn"].as_str() else { continue };
        let routed = account.users(home, group).iter().any(|user| matches!(user.kind, "elbv2.listener" | "elbv2.rule"));
        if !routed {
            let message = format!("The target group with targetGroupArn {group} does not have an associated load balancer.");
            return refuse("target-group-without-listener", 400, "InvalidParameterException", message);
        }
    }
    None
}

fn run_task(account: &Account, request: &Request) -> Option<Verdict> {
    let cluster = request.text("cluster").map_or("default".to_owned(), last_part);
    if account.get(&request.home, "ecs.cluster", &cluster).is_none() {
        return refuse("cluster-missing", 400, "ClusterNotFoundException", "Cluster not found.");
    }
    let invalid = |rule, message: &str| refuse(rule, 400, "InvalidParameterException", message);
    let network = &request.params["networkConfiguration"]["awsvpcConfiguration"];
    if request.text("launchType") == Some("FARGATE") && !network["subnets"].is_array() {
        let message = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
        return invalid("task-network", message);
    }
    for subnet in network["subnets"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if account.get(&request.home, "ec2.subnet", subnet).is_none() {
            return invalid("task-network", &format!("Error retrieving subnet information for [{subnet}]"));
        }
    }
    let fits = |text: &str| text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c));
    if !request.text("startedBy").is_none_or(fits) {
        return invalid("started-by", "startedBy has characters that are not allowed");
    }
    if request.text("clientToken").is_some_and(|token| token.len() > 64) {
        return invalid("client-token", "clientToken is longer than 64 characters");
    }
    None
}

fn task_definition(request: &Request) -> Option<Verdict> {
    if !request.list("requiresCompatibilities").iter().any(|c| c == "FARGATE") {
        return None;
    }
    let client = |rule, message: String| refuse(rule, 400, "ClientException", message);
    if request.text("networkMode") != Some("awsvpc") {
        return client("fargate-network", "Fargate only supports network mode 'awsvpc'.".to_owned());
    }
    let (Some(cpu), Some(memory)) = (request.number("cpu"), request.number("memory")) else {
        return client("fargate-size", "Task definition does not support launch type FARGATE without cpu and memory.".to_owned());
    };
    let offered = FARGATE
        .iter()
        .any(|(units, first, last, step)| *units == cpu && (*first..=*last).contains(&memory) && (memory - first) % step == 0);
    if !offered {
        return client("fargate-size", format!("No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."));
    }
    let containers = request.params.get("containerDefinitions").and_then(Value::as_array)?;
    let needs_role = containers.iter().any(|container| {
        container["logConfiguration"]["logDriver"] == "awslogs"
            || container["secrets"].as_array().is_some_and(|list| !list.is_empty())
    });
    if needs_role && request.text("executionRoleArn").is_none() {
        return client(
            "execution-role",
            "Fargate requires task definition to have execution role ARN to support log driver awslogs and secrets.".to_owned(),
        );
    }
    None
}
