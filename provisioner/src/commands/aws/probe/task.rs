//! Runs the probe as a task of its own: starts it, watches it until it has stopped, and reads its log meanwhile.

use std::time::Instant;

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, KeyValuePair, LaunchType, NetworkConfiguration, Task,
    TaskOverride,
};

use crate::aws::{Cx, Error};
use crate::kind::Kind;
use crate::kinds::ecs::{Service, evidence, tag_list};
use crate::scope::hex;
use crate::wait::back_off;

/// What to run: the task definition of a service, in the place where that service runs.
pub(super) struct Order {
    /// The name of the service, which is also the name of its container.
    pub(super) service: String,
    pub(super) cluster: String,
    pub(super) task_definition: String,
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
}

/// What happens to the task meanwhile.
pub(super) enum News {
    /// The status in the words of ECS: PROVISIONING, PENDING, …
    Status(String),
    Line(String),
}

pub(super) enum Ending {
    Stopped(Box<Task>),
    /// The task was stopped because its time was over.
    Late,
    Interrupted,
}

/// How long the task may take. All hops together have six and a half minutes, and a task takes one or two to start.
pub(super) const DEADLINE_SECONDS: f64 = 600.0;
const LOOK_EVERY_SECONDS: f64 = 3.0;
/// The mark of the task. It may have letters, digits, `-`, `/` and `_` (ECS API reference, RunTask).
const STARTED_BY: &str = "provision/probe";
/// CloudWatch Logs shows the last lines only some seconds after a task has stopped.
const LATE_LINES_SECONDS: f64 = 5.0;

/// Runs the task. The token makes ECS start only one task, however often it is asked.
pub(super) async fn run(cx: &Cx, order: &Order, token: &[u8], tell: &mut impl FnMut(News)) -> Result<Ending, Error> {
    let arn = start(cx, order, &hex(token)).await?;
    let (started, mut status) = (Instant::now(), String::new());
    let mut log = Log::default();
    loop {
        let call = cx.ecs.describe_tasks().cluster(&order.cluster).tasks(&arn);
        let task = call.send().await?.tasks.unwrap_or_default().into_iter().next();
        if let Some(task) = &task {
            let now = task.last_status().unwrap_or_default();
            if now != status {
                status = now.to_owned();
                tell(News::Status(status.clone()));
            }
            log.read(cx, task, tell).await?;
        }
        if let Some(task) = task.filter(|_| status == "STOPPED") {
            late_lines(cx, &task, &mut log, tell).await?;
            return Ok(Ending::Stopped(Box::new(task)));
        }
        if cx.stop.reason().is_some() {
            stop(cx, order, &arn, "interrupted").await?;
            return Ok(Ending::Interrupted);
        }
        if cx.clock.is_over(started, DEADLINE_SECONDS) {
            stop(cx, order, &arn, "its time is over").await?;
            return Ok(Ending::Late);
        }
        cx.clock.sleep(LOOK_EVERY_SECONDS).await;
    }
}

/// The exit code of the task's only container. `None` if the container never ran.
pub(super) fn exit_code(task: &Task) -> Option<i32> {
    task.containers().first().and_then(|container| container.exit_code())
}

async fn start(cx: &Cx, order: &Order, token: &str) -> Result<String, Error> {
    let network = AwsVpcConfiguration::builder().assign_public_ip(AssignPublicIp::Disabled);
    let network = network.set_subnets(Some(order.subnets.clone()));
    let network = network.set_security_groups(Some(order.security_groups.clone())).build()?;
    let mut container = ContainerOverride::builder().name(&order.service).command("probe");
    for (name, value) in &order.environment {
        container = container.environment(KeyValuePair::builder().name(*name).value(value).build());
    }
    let call = cx.ecs.run_task().cluster(&order.cluster).task_definition(&order.task_definition).count(1);
    let call = call.launch_type(LaunchType::Fargate).platform_version("LATEST").client_token(token);
    let call = call.network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build());
    let call = call.overrides(TaskOverride::builder().container_overrides(container.build()).build());
    let call = call.started_by(STARTED_BY).enable_ecs_managed_tags(true);
    let call = call.set_tags(Some(tag_list(cx.scope.tags(&order.service))));
    let (begun, mut attempt) = (Instant::now(), 0);
    loop {
        let error = match call.clone().send().await.map_err(Error::from) {
            Ok(answer) => match (answer.tasks().first().and_then(Task::task_arn), answer.failures().first()) {
                (Some(arn), _) => return Ok(arn.to_owned()),
                (None, Some(failure)) => {
                    let part = |text: Option<&str>| text.unwrap_or_default().to_owned();
                    let why = [part(failure.reason()), part(failure.detail())].join(" ");
                    return Err(Error::ours(why.trim().to_owned()));
                }
                (None, None) => return Err(Error::ours("ECS started nothing, and does not say why")),
            },
            Err(error) => error,
        };
        match error.worth_retrying(&Service::FACTS) {
            Some(seconds) if !cx.clock.is_over(begun, seconds.into()) && cx.stop.reason().is_none() => {
                cx.clock.sleep(back_off(attempt)).await;
                attempt += 1;
            }
            _ => return Err(error),
        }
    }
}

async fn stop(cx: &Cx, order: &Order, task: &str, why: &str) -> Result<(), Error> {
    let call = cx.ecs.stop_task().cluster(&order.cluster).task(task).reason(format!("{STARTED_BY}: {why}"));
    call.send().await?;
    Ok(())
}

/// Reads the lines that come late. If the probe passed, its log is whole once it says so. If it failed, nothing shows
/// that the log is whole, so it gets some more time.
async fn late_lines(cx: &Cx, task: &Task, log: &mut Log, tell: &mut impl FnMut(News)) -> Result<(), Error> {
    let looks = match exit_code(task) {
        Some(0) => 12,
        Some(_) => 3,
        None => 0,
    };
    for _ in 0..looks {
        if log.passed {
            break;
        }
        cx.clock.sleep(LATE_LINES_SECONDS).await;
        log.read(cx, task, tell).await?;
    }
    Ok(())
}

/// How far the log has been read.
#[derive(Default)]
struct Log {
    /// The log group and the log stream.
    place: Option<(String, String)>,
    next: Option<String>,
    passed: bool,
}

impl Log {
    /// Reads the new lines. The log stream exists only after the container has written something.
    async fn read(&mut self, cx: &Cx, task: &Task, tell: &mut impl FnMut(News)) -> Result<(), Error> {
        if self.place.is_none() {
            self.place = evidence::log_stream(cx, task).await;
        }
        let Some((group, stream)) = &self.place else { return Ok(()) };
        loop {
            let call = cx.logs.get_log_events().log_group_name(group).log_stream_name(stream).start_from_head(true);
            let answer = call.set_next_token(self.next.clone()).send().await;
            let Some(answer) = Error::unless_gone(answer, &["ResourceNotFoundException"])? else { return Ok(()) };
            for event in answer.events() {
                let line = event.message().unwrap_or_default().trim_end();
                self.passed |= line.contains(super::PASSED);
                tell(News::Line(line.to_owned()));
            }
            // At the end of the stream, the answer has the token that was sent.
            if answer.next_forward_token.is_none() || answer.next_forward_token == self.next {
                return Ok(());
            }
            self.next = answer.next_forward_token;
        }
    }
}
