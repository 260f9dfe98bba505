//! ECS's answers about tasks, and about settings that nobody gave.

use super::one_off::Script;
use super::rollout::Service;
use crate::request::Request;
use crate::upstream::ACCOUNT;
use serde_json::{Value, json};

/// The tasks of a service with their task definitions: those that run, or those that stopped.
pub(super) fn tasks(service: &Service, stopped: bool) -> Vec<(String, String)> {
    let mut tasks = Vec::new();
    let definition = |n: usize| service.deployments().get(n).map(|d| d.task_definition.clone()).unwrap_or_default();
    if stopped {
        return service.stopped().iter().map(|task| (task.clone(), definition(0))).collect();
    }
    for (n, deployment) in service.deployments().iter().enumerate() {
        for task in 0..deployment.running() {
            tasks.push((deployment.task(task), definition(n)));
        }
    }
    tasks
}

pub(super) fn task_arn(request: &Request, cluster: &str, task: &str) -> String {
    format!("arn:aws:ecs:{}:{ACCOUNT}:task/{cluster}/{task}", request.region)
}

pub(super) fn describe_task(
    request: &Request,
    service: &Service,
    cluster: &str,
    task: &str,
    definition: &str,
    end: Option<&Script>,
    stopped: bool,
) -> Value {
    let container = service.document["loadBalancers"][0]["containerName"].as_str().unwrap_or("app");
    let mut part = json!({
        "taskArn": task_arn(request, cluster, task),
        "clusterArn": service.document["clusterArn"],
        "taskDefinitionArn": definition,
        "group": format!("service:{}", service.name()),
        "launchType": "FARGATE",
        "lastStatus": if stopped { "STOPPED" } else { "RUNNING" },
        "desiredStatus": if stopped { "STOPPED" } else { "RUNNING" },
        "containers": [{"name": container, "lastStatus": if stopped { "STOPPED" } else { "RUNNING" }}],
    });
    if stopped {
        match end.map(|script| (script, &script.never_starts)) {
            Some((_, Some(reason))) => {
                part["stopCode"] = json!("TaskFailedToStart");
                part["stoppedReason"] = json!(reason);
                return part;
            }
            Some((script, None)) => part["containers"][0]["exitCode"] = json!(script.exit_code),
            None => {
                part["containers"][0]["exitCode"] = json!(1);
                part["containers"][0]["reason"] = json!("Error: failed on order");
            }
        }
        part["stopCode"] = json!("EssentialContainerExited");
        part["stoppedReason"] = json!("Essential container in task exited");
    }
    part
}

/// Fills in AWS's values of settings that nobody gave.
pub(super) fn fill_defaults(document: &mut Value) {
    let defaults = json!({
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": false, "rollback": false}, "maximumPercent": 200, "minimumHealthyPercent": 100,
        },
        "enableECSManagedTags": false,
        "enableExecuteCommand": false,
        "propagateTags": "NONE",
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "placementConstraints": [],
        "placementStrategy": [],
        "serviceRegistries": [],
        "loadBalancers": [],
        "platformVersion": "LATEST",
        "platformFamily": "Linux",
        "availabilityZoneRebalancing": "ENABLED",
        "createdBy": format!("arn:aws:iam::{ACCOUNT}:user/test"),
        "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"),
    });
    merge(document, &defaults);
    if document["loadBalancers"].as_array().is_some_and(|list| !list.is_empty()) {
        merge(document, &json!({"healthCheckGracePeriodSeconds": 0}));
    }
    if document["networkConfiguration"]["awsvpcConfiguration"].is_object() {
        merge(
            &mut document["networkConfiguration"]["awsvpcConfiguration"],
            &json!({"assignPublicIp": "DISABLED", "securityGroups": []}),
        );
    }
}

/// Puts a default in place of a missing value, or of an emulator's empty text.
fn merge(into: &mut Value, defaults: &Value) {
    let (Some(into), Some(defaults)) = (into.as_object_mut(), defaults.as_object()) else { return };
    for (name, value) in defaults {
        match into.get_mut(name) {
            Some(there) if value.is_object() && there.is_object() => merge(there, value),
            Some(there) if !there.is_null() && there.as_str() != Some("") => {}
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}
