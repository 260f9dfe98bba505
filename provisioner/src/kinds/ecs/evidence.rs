//! Why a service does not come up, as far as AWS knows: its last events, why tasks stopped, what they last said, and what the
//! load balancer thinks of them. Best effort: what cannot be read is left out.

use aws_sdk_ecs::types::{DesiredStatus, LogConfiguration, Task};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum;

use crate::aws::Cx;

const EVENTS: usize = 5;
const TASKS: usize = 3;
const LINES: i32 = 10;

pub(super) async fn of_service(cx: &Cx, cluster: &str, service: &str, target_groups: &[&str]) -> Vec<String> {
    let (events, tasks) = tokio::join!(events(cx, cluster, service), stopped(cx, cluster, service));
    let mut lines = events;
    lines.extend(tasks.iter().take(TASKS).flat_map(why_it_stopped));
    if let Some(newest) = tasks.first() {
        lines.extend(last_lines(cx, newest).await);
    }
    for group in target_groups {
        lines.extend(unhealthy(cx, group).await);
    }
    lines
}

async fn events(cx: &Cx, cluster: &str, service: &str) -> Vec<String> {
    let Ok(answer) = cx.ecs.describe_services().cluster(cluster).services(service).send().await else {
        return Vec::new();
    };
    let events = answer.services().iter().flat_map(aws_sdk_ecs::types::Service::events);
    events.filter_map(|event| event.message.clone()).take(EVENTS).collect()
}

/// The newest first.
async fn stopped(cx: &Cx, cluster: &str, service: &str) -> Vec<Task> {
    let call = cx.ecs.list_tasks().cluster(cluster).service_name(service).desired_status(DesiredStatus::Stopped);
    let Some(arns) = call.send().await.ok().and_then(|answer| answer.task_arns).filter(|arns| !arns.is_empty()) else {
        return Vec::new();
    };
    let Ok(answer) = cx.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns)).send().await else {
        return Vec::new();
    };
    let mut tasks = answer.tasks.unwrap_or_default();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.stopped_at().map(|at| at.secs())));
    tasks
}

pub(crate) fn why_it_stopped(task: &Task) -> Vec<String> {
    let id = id(task);
    let mut lines = vec![format!("task {id} stopped: {}", task.stopped_reason().unwrap_or("AWS does not say why"))];
    for container in task.containers() {
        let code = container.exit_code().map(|code| format!("exit code {code}"));
        let parts: Vec<String> = code.into_iter().chain(container.reason().map(str::to_owned)).collect();
        if !parts.is_empty() {
            lines.push(format!("task {id}, container {}: {}", container.name().unwrap_or_default(), parts.join(", ")));
        }
    }
    lines
}

fn id(task: &Task) -> &str {
    task.task_arn().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default()
}

/// The log group and the stream in it that the task's container writes, by its task definition.
pub(crate) async fn log_stream(cx: &Cx, task: &Task) -> Option<(String, String)> {
    let call = cx.ecs.describe_task_definition().task_definition(task.task_definition_arn()?);
    let containers = call.send().await.ok()?.task_definition?.container_definitions?;
    let container = containers.into_iter().next()?;
    let options = container.log_configuration().and_then(LogConfiguration::options)?;
    // `<prefix>/<container>/<task>` (ECS developer guide, awslogs).
    let stream = format!("{}/{}/{}", options.get("awslogs-stream-prefix")?, container.name()?, id(task));
    Some((options.get("awslogs-group")?.clone(), stream))
}

async fn last_lines(cx: &Cx, task: &Task) -> Vec<String> {
    let Some((group, stream)) = log_stream(cx, task).await else {
        return Vec::new();
    };
    let call = cx.logs.get_log_events().log_group_name(group).log_stream_name(stream).limit(LINES);
    let Ok(answer) = call.send().await else {
        return Vec::new();
    };
    answer.events().iter().filter_map(|event| Some(format!("log: {}", event.message()?.trim_end()))).collect()
}

async fn unhealthy(cx: &Cx, group: &str) -> Vec<String> {
    let Ok(answer) = cx.elbv2.describe_target_health().target_group_arn(group).send().await else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for target in answer.target_health_descriptions() {
        let health = target.target_health();
        let Some(state) = health.and_then(|health| health.state()) else {
            continue;
        };
        if *state == TargetHealthStateEnum::Healthy {
            continue;
        }
        let id = target.target().and_then(|target| target.id()).unwrap_or_default();
        let why = health.and_then(|health| health.description()).unwrap_or_default();
        lines.push(format!("target {id} is {}: {why}", state.as_str()).trim_end_matches(": ").to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Container;

    #[test]
    fn a_task_says_why_it_stopped() {
        let container = Container::builder().name("web").exit_code(1).reason("OutOfMemoryError").build();
        let task = Task::builder()
            .task_arn("arn:aws:ecs:us-east-1:012345678910:task/main/c09f0188")
            .stopped_reason("Essential container in task exited")
            .containers(container)
            .build();
        assert_eq!(
            why_it_stopped(&task),
            [
                "task c09f0188 stopped: Essential container in task exited",
                "task c09f0188, container web: exit code 1, OutOfMemoryError",
            ]
        );
    }
}
