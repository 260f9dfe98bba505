//! Tells how far a deployment of a service has come, and whether it failed.

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Service};
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum::Healthy;

use crate::aws::{Cx, Error};
use crate::kind::Status;

/// The status of a service. `None` for a service that is deleted and still shown. `differs` are the fields in which the
/// service is not as wanted.
pub(super) fn status(service: &Service, differs: &[String]) -> Option<Status> {
    match service.status().unwrap_or_default() {
        "INACTIVE" => return None,
        "DRAINING" => return Some(Status::Deleting),
        _ => {}
    }
    let Some(primary) = primary(service) else {
        return Some(Status::Busy("no deployment yet".to_owned()));
    };
    if primary.rollout_state() == Some(&DeploymentRolloutState::Failed) {
        let reason = primary.rollout_state_reason().unwrap_or("the deployment failed");
        return Some(Status::Failed(reason.to_owned()));
    }
    if !differs.is_empty() {
        let revision = differs.iter().any(|field| field == "task_definition");
        return Some(match gone_back(service, primary).filter(|_| revision) {
            Some(event) => Status::Failed(event),
            None => Status::Ready,
        });
    }
    let (running, tasks) = (service.running_count(), service.desired_count());
    let complete = primary.rollout_state() == Some(&DeploymentRolloutState::Completed);
    Some(match complete && running == tasks && service.deployments().len() == 1 {
        true => Status::Ready,
        false => Status::Busy(format!("{} of {tasks} tasks run", primary.running_count())),
    })
}

pub(super) fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// The message of the circuit breaker when it made an earlier revision the primary one again. The reason of that
/// deployment has the message while the deployment lasts. After that an event has it. The event dates from the
/// beginning of that deployment, or from later if the primary one is the old deployment itself.
fn gone_back(service: &Service, primary: &Deployment) -> Option<String> {
    if let Some(reason) = primary.rollout_state_reason().filter(|reason| reason.contains("rolling back")) {
        return Some(reason.to_owned());
    }
    let began = primary.created_at().map_or(0, |at| at.secs());
    let recent = service.events().iter().filter(|event| event.created_at().is_some_and(|at| at.secs() >= began - 60));
    let messages: Vec<&str> = recent.filter_map(|event| event.message()).collect();
    let failed = messages.iter().find(|message| message.contains("deployment failed"));
    let back = messages.iter().find(|message| message.contains("rolling back"));
    failed.or(back).map(|message| (*message).to_owned())
}

/// Whether at least one target of each group answers. If no target answers, the load balancer answers 503.
pub(super) async fn healthy(cx: &Cx, groups: impl Iterator<Item = &str>) -> Result<Status, Error> {
    for group in groups {
        let call = cx.elbv2.describe_target_health().target_group_arn(group);
        let answer = Error::unless_gone(call.send().await, &["TargetGroupNotFound"])?;
        let found = answer.and_then(|answer| answer.target_health_descriptions).unwrap_or_default();
        if !found.iter().any(|target| target.target_health().and_then(|health| health.state()) == Some(&Healthy)) {
            return Ok(Status::Busy("waiting for a healthy target".to_owned()));
        }
    }
    Ok(Status::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::DeploymentRolloutState::{Completed, Failed, InProgress};
    use aws_sdk_ecs::types::ServiceEvent;
    use aws_smithy_types::DateTime;

    fn service(state: DeploymentRolloutState, running: i32) -> Service {
        let primary = Deployment::builder().status("PRIMARY").rollout_state(state).running_count(running);
        let primary = primary.created_at(DateTime::from_secs(1000)).build();
        Service::builder().status("ACTIVE").deployments(primary).desired_count(2).running_count(running).build()
    }

    #[test]
    fn ready_is_complete_and_alone() {
        let revision = ["task_definition".to_owned()];
        assert_eq!(status(&service(Completed, 2), &[]), Some(Status::Ready));
        assert_eq!(status(&service(InProgress, 1), &[]), Some(Status::Busy("1 of 2 tasks run".into())));
        assert_eq!(status(&service(InProgress, 1), &revision), Some(Status::Ready), "it can be updated");
        assert!(matches!(status(&service(Failed, 0), &["stalled".into()]), Some(Status::Failed(_))));
        assert_eq!(status(&Service::builder().status("INACTIVE").build(), &[]), None);
    }

    #[test]
    fn to_have_gone_back_is_a_failure() {
        let message = "(service web) (deployment ecs-svc/2) deployment failed: tasks failed to start.";
        let event = |at| ServiceEvent::builder().created_at(DateTime::from_secs(at)).message(message).build();
        let revision = ["task_definition".to_owned()];
        let mut seen = service(Completed, 2);
        seen.events = Some(vec![event(1000)]);
        assert_eq!(status(&seen, &revision), Some(Status::Failed(message.into())));
        assert_eq!(status(&seen, &["grace".into()]), Some(Status::Ready));
        seen.events = Some(vec![event(500)]);
        assert_eq!(status(&seen, &revision), Some(Status::Ready), "that was another one, long ago");
    }
}
