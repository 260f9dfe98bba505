//! Application Auto Scaling is always moto's. It does not know ministack's services, and has no tags.

use crate::answer::{Answer, fault};
use crate::request::Request;
use crate::route::route;
use crate::server::Shared;
use crate::upstream::Emulator;
use anyhow::Result;
use serde_json::{Map, Value, json};

pub(super) async fn before(shared: &Shared, request: &Request) -> Result<Option<Answer>> {
    let arn = request.text("ResourceARN").unwrap_or_default().to_owned();
    match request.action.as_str() {
        "RegisterScalableTarget" => {
            let base = shared.state().options.base;
            if route(base, "ecs") != Emulator::Moto {
                let _one_at_a_time = shared.twins.lock().await;
                twin(shared, request).await?;
            }
            Ok(None)
        }
        "TagResource" => {
            let mut state = shared.state();
            let tags = state.repairs.tags.entry(arn).or_default();
            for (key, value) in request.params["Tags"].as_object().into_iter().flatten() {
                tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
            Ok(Some(Answer::json(request, json!({}))))
        }
        "UntagResource" => {
            let mut state = shared.state();
            let gone = request.list("TagKeys");
            state.repairs.tags.entry(arn).or_default().retain(|key, _| !gone.contains(key));
            Ok(Some(Answer::json(request, json!({}))))
        }
        "ListTagsForResource" => {
            let state = shared.state();
            Ok(Some(match state.repairs.tags.get(&arn) {
                Some(tags) => Answer::json(request, json!({"Tags": tags})),
                None => Answer::error(request, &fault(400, "ResourceNotFoundException", format!("No scalable target {arn}"))),
            }))
        }
        _ => Ok(None),
    }
}

pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    if request.action != "RegisterScalableTarget" || !answer.ok() {
        return;
    }
    let Some(arn) = answer.json_text("/ScalableTargetARN").map(str::to_owned) else { return };
    let tags: Map<String, Value> = request.params["Tags"].as_object().cloned().unwrap_or_default();
    let mut state = shared.state();
    let kept = state.repairs.tags.entry(arn).or_default();
    kept.extend(tags.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))));
}

/// Makes the service that is to be scaled in moto, as far as moto needs it.
async fn twin(shared: &Shared, request: &Request) -> Result<()> {
    let Some(id) = request.text("ResourceId").filter(|id| id.starts_with("service/")) else { return Ok(()) };
    let mut parts = id.split('/').skip(1);
    let (Some(cluster), Some(service)) = (parts.next(), parts.next()) else { return Ok(()) };
    let steps = [
        ("CreateCluster", json!({"clusterName": cluster})),
        (
            "RegisterTaskDefinition",
            json!({"family": "twin", "containerDefinitions": [{"name": "twin", "image": "twin", "memory": 64}]}),
        ),
        ("CreateService", json!({"cluster": cluster, "serviceName": service, "taskDefinition": "twin", "desiredCount": 1})),
    ];
    for (action, body) in steps {
        let step = request.to_ecs(action, &body);
        shared.forward_to(Emulator::Moto, &step).await?;
    }
    Ok(())
}
