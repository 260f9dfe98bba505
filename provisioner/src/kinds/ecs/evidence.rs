//! Collects what AWS knows about a service that does not come up: why its tasks stopped, their last lines in the log,
//! the load balancer's opinion of them, and the last events of the service.

use aws_sdk_ecs::types::{Container, DesiredStatus, LogConfiguration, Task};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum::Healthy;

use crate::aws::Cx;
use crate::aws::evidence::Evidence;

const EVENTS: usize = 5;
const LINES: i32 = 10;
/// The longest `grace` that a stack file can have, in seconds.
const LONGEST_GRACE: i32 = 1800;

/// The setting in the stack file for how long a task may take.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The name of the service in the stack file.
    pub(super) name: &'a str,
    /// The grace in seconds. `None` if only the container itself checks its health.
    pub(super) grace: Option<i32>,
}

pub(super) async fn of_service(
    cx: &Cx,
    cluster: &str,
    service: &str,
    target_groups: &[&str],
    setting: Setting<'_>,
) -> Evidence {
    let mut evidence = Evidence::default();
    let tasks = stopped(cx, cluster, service, &mut evidence).await;
    evidence.lines.extend(reasons(&tasks));
    if let Some(newest) = tasks.first() {
        let said = last_lines(cx, newest, &mut evidence).await;
        evidence.cause = cause(newest, &said, setting);
        evidence.lines.extend(said.into_iter().map(|line| format!("log: {line}")));
    }
    for group in target_groups {
        unhealthy(cx, group, &mut evidence).await;
    }
    let events = events(cx, cluster, service, &mut evidence).await;
    let telling = |event: &&String| ["unable to", "failed", "unhealthy"].iter().any(|word| event.contains(word));
    evidence.cause = evidence.cause.or_else(|| Some(in_words(events.iter().find(telling)?, None, setting)));
    evidence.lines.extend(events.into_iter().rev().map(|event| format!("event: {event}")));
    evidence
}

/// The events of a service. The newest comes first.
async fn events(cx: &Cx, cluster: &str, service: &str, evidence: &mut Evidence) -> Vec<String> {
    let answer = cx.ecs.describe_services().cluster(cluster).services(service).send().await;
    let answer = evidence.read("events of the service", answer);
    let services = answer.and_then(|answer| answer.services).unwrap_or_default();
    let events = services.iter().flat_map(aws_sdk_ecs::types::Service::events);
    events.filter_map(|event| event.message.clone()).take(EVENTS).collect()
}

/// The stopped tasks of a service. The newest comes first.
async fn stopped(cx: &Cx, cluster: &str, service: &str, evidence: &mut Evidence) -> Vec<Task> {
    let call = cx.ecs.list_tasks().cluster(cluster).service_name(service).desired_status(DesiredStatus::Stopped);
    let arns = evidence.read("stopped tasks", call.send().await).and_then(|answer| answer.task_arns);
    let Some(arns) = arns.filter(|arns| !arns.is_empty()) else {
        return Vec::new();
    };
    let call = cx.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns));
    let answer = evidence.read("stopped tasks", call.send().await);
    let mut tasks = answer.and_then(|answer| answer.tasks).unwrap_or_default();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.stopped_at().map(|at| at.secs())));
    tasks
}

/// The reasons why tasks stopped: each reason once, with the number of tasks.
fn reasons(tasks: &[Task]) -> Vec<String> {
    let mut seen: Vec<(Vec<String>, usize)> = Vec::new();
    for task in tasks {
        let parts = parts(task);
        match seen.iter_mut().find(|(other, _)| *other == parts) {
            Some((_, count)) => *count += 1,
            None => seen.push((parts, 1)),
        }
    }
    let line = |(parts, count): (Vec<String>, usize)| match count {
        1 => format!("a task stopped: {}", parts.join("; ")),
        _ => format!("{count} tasks stopped: {}", parts.join("; ")),
    };
    seen.into_iter().map(line).collect()
}

/// What AWS says of a task, then what it says of each container.
fn parts(task: &Task) -> Vec<String> {
    let mut parts = vec![task.stopped_reason().unwrap_or("AWS does not say why").to_owned()];
    parts.extend(task.containers().iter().filter_map(|container| {
        let code = container.exit_code().map(|code| format!("exit code {code}"));
        let said: Vec<String> = code.into_iter().chain(container.reason().map(str::to_owned)).collect();
        (!said.is_empty()).then(|| format!("container {}: {}", container.name().unwrap_or_default(), said.join(", ")))
    }));
    parts
}

/// The most likely cause why a task stopped. The texts are those of the ECS developer guide, "Stopped tasks error
/// messages".
fn cause(task: &Task, said: &[String], setting: Setting<'_>) -> Option<String> {
    let reason = task.stopped_reason().unwrap_or_default();
    let container =
        task.containers().iter().find(|one| one.reason().is_some() || one.exit_code().is_some_and(|code| code != 0));
    let name = container.and_then(Container::name).unwrap_or_default();
    let inner = container.and_then(Container::reason).unwrap_or_default();
    for text in [inner, reason] {
        let advice = match text {
            _ if text.starts_with("CannotPullContainerError") || text.contains("CannotPullImage") => {
                "the image cannot be pulled"
            }
            _ if text.starts_with("OutOfMemoryError") => "the container needed more than its `memory:`",
            _ if text.starts_with("ResourceInitializationError") => "the task got no secret, no log or no network",
            _ if text.contains("health checks") => return Some(in_words(text, lived(task), setting)),
            _ => continue,
        };
        return Some(format!("{advice}: {text}"));
    }
    let code = container?.exit_code()?;
    let last = said.iter().rev().find(|line| is_complaint(line)).or(said.last());
    let last = last.map(|line| format!(", after saying: {}", line.trim())).unwrap_or_default();
    Some(format!("the container {name} ended by itself with exit code {code}{last}"))
}

/// Puts a failed health check into words: the time that the task ran, AWS's own words, and the line of the stack file
/// that decides about the check.
fn in_words(text: &str, lived: Option<i64>, setting: Setting<'_>) -> String {
    if !text.contains("health checks") && !text.contains("Health checks") && !text.contains("unhealthy") {
        return text.to_owned();
    }
    let Setting { name, grace } = setting;
    let ran = lived.map_or_else(|| "runs".to_owned(), |seconds| format!("ran for {seconds} s"));
    let text = text.trim_end_matches('.');
    let mut said = format!("the task {ran}, but does not answer its health check: {text}");
    // The task answered, and was perhaps healthy. So more time does not help.
    if let Some(code) = answered(text).filter(|code| (200..=499).contains(code)) {
        let codes = format!(". If {code} means that it is well, say so with `services.{name}.http.health.codes`");
        return said + &codes;
    }
    if let Some(grace) = grace.filter(|grace| *grace < LONGEST_GRACE) {
        let longer = format!(
            ". If it takes longer than {grace} s to start, give it more with `services.{name}.http.health.grace`, as in \
             `grace: {}s`. `path` and `codes` beside it say where it is asked, and which answers are healthy",
            (2 * grace).clamp(60, LONGEST_GRACE)
        );
        said.push_str(&longer);
    }
    said
}

/// The status code in a message: `204` of `Health checks failed with these codes: [204]`.
fn answered(text: &str) -> Option<u16> {
    text.split_once("these codes: [")?.1.get(..3)?.parse().ok()
}

/// The seconds for which a task ran.
fn lived(task: &Task) -> Option<i64> {
    let from = task.started_at().or(task.created_at())?.secs();
    Some(task.stopping_at().or(task.stopped_at())?.secs() - from).filter(|seconds| *seconds >= 0)
}

fn is_complaint(line: &str) -> bool {
    let line = line.to_lowercase();
    ["error", "panic", "fatal", "exception", "cannot", "failed"].iter().any(|word| line.contains(word))
}

pub(crate) fn why_it_stopped(task: &Task) -> Vec<String> {
    let id = id(task);
    let mut parts = parts(task).into_iter();
    let mut lines = vec![format!("task {id} stopped: {}", parts.next().unwrap_or_default())];
    lines.extend(parts.map(|part| format!("task {id}, {part}")));
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
    // The name is `<prefix>/<container>/<task>` (ECS developer guide, awslogs).
    let stream = format!("{}/{}/{}", options.get("awslogs-stream-prefix")?, container.name()?, id(task));
    Some((options.get("awslogs-group")?.clone(), stream))
}

/// The last lines of a task in the log. A task that never ran has no stream, and so no lines.
async fn last_lines(cx: &Cx, task: &Task, evidence: &mut Evidence) -> Vec<String> {
    let Some((group, stream)) = log_stream(cx, task).await else {
        return Vec::new();
    };
    let call = cx.logs.get_log_events().log_group_name(group).log_stream_name(stream).limit(LINES);
    let answer = crate::aws::Error::unless_gone(call.send().await, &["ResourceNotFoundException"]);
    let events = evidence.read("the log", answer).flatten().and_then(|answer| answer.events).unwrap_or_default();
    events.iter().filter_map(|event| Some(event.message()?.trim_end().to_owned())).collect()
}

async fn unhealthy(cx: &Cx, group: &str, evidence: &mut Evidence) {
    let answer = cx.elbv2.describe_target_health().target_group_arn(group).send().await;
    let Some(answer) = evidence.read("the health of targets", answer) else {
        return;
    };
    for target in answer.target_health_descriptions() {
        let health = target.target_health();
        let Some(state) = health.and_then(|health| health.state()).filter(|state| **state != Healthy) else {
            continue;
        };
        let id = target.target().and_then(|target| target.id()).unwrap_or_default();
        let code = health.and_then(|health| health.reason()).map(|reason| reason.as_str());
        let why = health.and_then(|health| health.description()).or(code).unwrap_or("no reason given");
        evidence.lines.push(format!("target {id} is {}: {why}", state.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    const SETTING: Setting<'_> = Setting { name: "web", grace: Some(60) };

    fn task(reason: &str, container: aws_sdk_ecs::types::builders::ContainerBuilder) -> Task {
        let arn = "arn:aws:ecs:us-east-1:012345678910:task/main/c09f0188";
        Task::builder().task_arn(arn).stopped_reason(reason).containers(container.name("web").build()).build()
    }

    #[test]
    fn a_task_says_why_it_stopped() {
        let task =
            task("Essential container in task exited", Container::builder().exit_code(1).reason("OutOfMemoryError"));
        assert_eq!(
            why_it_stopped(&task),
            [
                "task c09f0188 stopped: Essential container in task exited",
                "task c09f0188, container web: exit code 1, OutOfMemoryError",
            ]
        );
        assert_eq!(
            reasons(&[task.clone(), task]),
            ["2 tasks stopped: Essential container in task exited; container web: exit code 1, OutOfMemoryError"]
        );
    }

    /// Texts of ECS that others have met with Fargate ("is unhealthy in target-group … due to …").
    #[test]
    fn what_was_never_healthy_names_the_setting() {
        let reason = "Task failed ELB health checks in (target-group web)";
        let mut silent = task(reason, Container::builder().exit_code(143));
        silent.started_at = Some(DateTime::from_secs(1_000));
        silent.stopping_at = Some(DateTime::from_secs(1_094));
        let slow = "service web (port 8080) is unhealthy in target-group web due to (reason Request timed out).";
        let other = "service web (port 8080) is unhealthy in target-group web due to (reason Health checks failed with \
                     these codes: [204]).";
        let down = "service web (port 8080) is unhealthy in target-group web due to (reason Health checks failed with \
                    these codes: [502]).";
        let bare = Setting { name: "web", grace: None };
        let said = [
            cause(&silent, &[], SETTING).unwrap_or_default(),
            in_words(slow, None, SETTING),
            in_words(other, None, SETTING),
            in_words(down, None, Setting { grace: Some(1200), ..SETTING }),
            in_words("(task 1) failed container health checks.", None, bare),
            in_words("service web was unable to place a task.", None, SETTING),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the task ran for 94 s, but does not answer its health check: Task failed ELB health checks in (target-group web). If it takes longer than 60 s to start, give it more with `services.web.http.health.grace`, as in `grace: 120s`. `path` and `codes` beside it say where it is asked, and which answers are healthy
        the task runs, but does not answer its health check: service web (port 8080) is unhealthy in target-group web due to (reason Request timed out). If it takes longer than 60 s to start, give it more with `services.web.http.health.grace`, as in `grace: 120s`. `path` and `codes` beside it say where it is asked, and which answers are healthy
        the task runs, but does not answer its health check: service web (port 8080) is unhealthy in target-group web due to (reason Health checks failed with these codes: [204]). If 204 means that it is well, say so with `services.web.http.health.codes`
        the task runs, but does not answer its health check: service web (port 8080) is unhealthy in target-group web due to (reason Health checks failed with these codes: [502]). If it takes longer than 1200 s to start, give it more with `services.web.http.health.grace`, as in `grace: 1800s`. `path` and `codes` beside it say where it is asked, and which answers are healthy
        the task runs, but does not answer its health check: (task 1) failed container health checks
        service web was unable to place a task.
        ");
    }

    /// Reasons in AWS's words: ECS developer guide, "Stopped tasks error messages".
    #[test]
    fn one_cause() {
        let said =
            ["listening".to_owned(), r#"{"level":"error","message":"no database"}"#.to_owned(), "bye".to_owned()];
        let ended = task("Essential container in task exited", Container::builder().exit_code(1));
        let unpulled = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found";
        let unpulled = task("Task failed to start", Container::builder().reason(unpulled));
        let secretless = "ResourceInitializationError: unable to pull secrets or registry auth";
        let secretless = task(secretless, Container::builder());
        let silent = task("Task failed ELB health checks in (target-group web)", Container::builder().exit_code(0));
        let stopped = task("Scaling activity initiated by deployment", Container::builder().exit_code(0));
        let causes = [
            cause(&ended, &said, SETTING),
            cause(&unpulled, &[], SETTING),
            cause(&secretless, &[], SETTING),
            cause(&silent, &[], SETTING),
            cause(&stopped, &[], SETTING),
        ];
        insta::assert_snapshot!(causes.map(|cause| cause.unwrap_or_else(|| "unknown".into())).join("\n"), @r#"
        the container web ended by itself with exit code 1, after saying: {"level":"error","message":"no database"}
        the image cannot be pulled: CannotPullContainerError: pull image manifest has been retried 5 time(s): not found
        the task got no secret, no log or no network: ResourceInitializationError: unable to pull secrets or registry auth
        the task runs, but does not answer its health check: Task failed ELB health checks in (target-group web). If it takes longer than 60 s to start, give it more with `services.web.http.health.grace`, as in `grace: 120s`. `path` and `codes` beside it say where it is asked, and which answers are healthy
        unknown
        "#);
    }
}
