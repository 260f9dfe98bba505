//! The number of tasks of a service.

use serde_json::{Value, json};

use super::it::It;
use crate::kinds::autoscaling::{PolicySpec, PolicyState, TargetSpec, TargetState};
use crate::scope::Scope;

pub(super) fn scaling_id(_: &Scope, _: &str, want: &Value) -> String {
    want["scaling_id"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn target(it: &mut It<'_>, spec: TargetSpec, want: TargetState) {
    let TargetState { scaling_id, min, max } = want;
    let needs_image = it.other(&spec.service).needs_image;
    let properties = json!({
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": scaling_id,
        "MinCapacity": min, "MaxCapacity": max, "Tags": it.tags(),
    });
    it.put("AWS::ApplicationAutoScaling::ScalableTarget", properties).needs_image = needs_image;
}

pub(super) fn policy(it: &mut It<'_>, spec: PolicySpec, want: PolicyState) {
    let PolicyState { name, scaling_id: _, metric, aim, pause_out, pause_in, scales_in } = want;
    let needs_image = it.other(&spec.target).needs_image;
    let properties = json!({
        "PolicyName": name, "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": super::tokens::of(it.id_of(&spec.target), ""),
        "TargetTrackingScalingPolicyConfiguration": {
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, "TargetValue": aim,
            "ScaleOutCooldown": pause_out, "ScaleInCooldown": pause_in, "DisableScaleIn": !scales_in,
        },
    });
    it.put("AWS::ApplicationAutoScaling::ScalingPolicy", properties).needs_image = needs_image;
}
