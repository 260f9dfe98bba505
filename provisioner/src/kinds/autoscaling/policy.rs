//! `autoscaling.policy`: keeps the CPU of a service's tasks near a number by changing the number of tasks.
//!
//! A policy is found by its name, with one `DescribeScalingPolicies` per service. It is ours because the service is
//! ours. Any other policy on a target of ours changes the number of tasks, and is taken away. Names have at most 256
//! characters (Application Auto Scaling API reference, PutScalingPolicy). Putting a policy creates or updates it, and
//! ends at once. AWS makes and deletes the two alarms by itself.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalingPolicy, ServiceNamespace,
    TargetTrackingScalingPolicyConfiguration as Tracking,
};
use serde::{Deserialize, Serialize};

use super::target::DIMENSION;
use super::{GONE, Target};
use crate::aws::{Cx, Error, each};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Policy;

#[derive(Serialize, Deserialize)]
pub struct PolicySpec {
    pub target: Ref<Target>,
    /// The average CPU to aim at, in per cent.
    pub cpu: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyState {
    pub name: String,
    pub scaling_id: String,
    pub metric: String,
    /// The average CPU to aim at, in per cent.
    pub aim: f64,
    /// The seconds between two changes upwards.
    pub pause_out: i32,
    /// The seconds between two changes downwards.
    pub pause_in: i32,
    pub scales_in: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyOutput {
    pub arn: String,
}

impl Kind for Policy {
    const FACTS: Facts = Facts {
        name: "autoscaling.policy",
        untagged: "it belongs to its target",
        fields: &[
            Field::fixed("name"),
            Field::fixed("scaling_id"),
            Field::wanted("metric"),
            Field::wanted("aim"),
            Field::wanted("pause_out"),
            Field::wanted("pause_in"),
            Field::wanted("scales_in"),
        ],
        read_after: &["autoscaling.target"],
        // The target was registered only a moment ago.
        retry: &[Retry::code("ObjectNotFoundException", 60)],
        actions: &[
            "application-autoscaling:DeleteScalingPolicy",
            "application-autoscaling:DescribeScalingPolicies",
            "application-autoscaling:PutScalingPolicy",
            "cloudwatch:DeleteAlarms",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:PutMetricAlarm",
            "ecs:DescribeServices",
            "ecs:UpdateService",
        ],
        ..Facts::DEFAULT
    };

    type Spec = PolicySpec;
    type State = PolicyState;
    type Output = PolicyOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &PolicySpec, outputs: &Outputs) -> Result<PolicyState, Missing> {
        Ok(PolicyState {
            name: aws_name(scope, name),
            scaling_id: outputs.get(&spec.target)?.scaling_id,
            metric: MetricType::EcsServiceAverageCpuUtilization.as_str().to_owned(),
            aim: spec.cpu.into(),
            // The number goes up at once, and down with care: a task too many costs less than a task too few.
            pause_out: 60,
            pause_in: 300,
            scales_in: true,
        })
    }
}

impl OnAws for Policy {
    async fn read(cx: &Cx, query: &Query<'_, Policy>) -> Result<Vec<Live<Policy>>, Error> {
        let mut wanted: BTreeMap<(String, String), &str> = BTreeMap::new();
        for (name, spec) in &query.wanted {
            // Without its target there is no policy.
            if let Ok(target) = query.outputs.get(&spec.target) {
                wanted.insert((target.scaling_id, aws_name(&cx.scope, name)), name);
            }
        }
        let targets = query.outputs.all::<Target>();
        let mut live = Vec::new();
        for found in each(targets, |(on, target)| of_target(cx, on, target.scaling_id)).await {
            let (on, policies) = found?;
            for policy in policies {
                let place = (policy.resource_id.clone(), policy.policy_name.clone());
                let (name, owner) = match wanted.get(&place) {
                    Some(name) => ((*name).to_owned(), Owner::Child),
                    // This is the policy of a service that is not scaled any more. It goes with its target.
                    None if policy.policy_name == aws_name(&cx.scope, &on) => continue,
                    None => {
                        let target = Address { kind: Target::FACTS.name, name: on.clone() };
                        (format!("{on}/{}", policy.policy_name), Owner::Beside(target))
                    }
                };
                live.push(Live::ready(
                    (name, owner),
                    policy.policy_arn.clone(),
                    state(&policy),
                    PolicyOutput { arn: policy.policy_arn },
                ));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, _: &str, want: &PolicyState) -> Result<PolicyOutput, Error> {
        put(cx, want).await
    }

    async fn update(cx: &Cx, _: &Live<Policy>, want: &PolicyState, _: &Changed) -> Result<(), Error> {
        put(cx, want).await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Policy>, _: LastWish) -> Result<(), Error> {
        let call = cx.autoscaling.delete_scaling_policy().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(DIMENSION).resource_id(&live.state.scaling_id);
        Error::or_gone(call.policy_name(&live.state.name).send().await, GONE)
    }
}

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(&format!("{name}-cpu"), 256)
}

async fn of_target(cx: &Cx, on: String, target: String) -> Result<(String, Vec<ScalingPolicy>), Error> {
    let call = cx.autoscaling.describe_scaling_policies().service_namespace(ServiceNamespace::Ecs);
    let call = call.resource_id(target).scalable_dimension(DIMENSION);
    Ok((on, call.into_paginator().items().send().try_collect().await?))
}

async fn put(cx: &Cx, want: &PolicyState) -> Result<PolicyOutput, Error> {
    let metric = PredefinedMetricSpecification::builder().predefined_metric_type(want.metric.as_str().into());
    let tracking = Tracking::builder().predefined_metric_specification(metric.build()?).target_value(want.aim);
    let tracking = tracking.scale_out_cooldown(want.pause_out).scale_in_cooldown(want.pause_in);
    let call = cx.autoscaling.put_scaling_policy().service_namespace(ServiceNamespace::Ecs);
    let call = call.scalable_dimension(DIMENSION).resource_id(&want.scaling_id).policy_name(&want.name);
    let call = call.policy_type(PolicyType::TargetTrackingScaling);
    let tracking = tracking.disable_scale_in(!want.scales_in).build()?;
    let made = call.target_tracking_scaling_policy_configuration(tracking).send().await?;
    Ok(PolicyOutput { arn: made.policy_arn })
}

fn state(policy: &ScalingPolicy) -> PolicyState {
    let mut state = PolicyState {
        name: policy.policy_name.clone(),
        scaling_id: policy.resource_id.clone(),
        scales_in: true,
        ..PolicyState::default()
    };
    if let Some(tracking) = policy.target_tracking_scaling_policy_configuration() {
        let metric = tracking.predefined_metric_specification().map(|metric| metric.predefined_metric_type.as_str());
        state.metric = metric.unwrap_or_default().to_owned();
        state.aim = tracking.target_value;
        // AWS's default is 300 s for each.
        state.pause_out = tracking.scale_out_cooldown().unwrap_or(300);
        state.pause_in = tracking.scale_in_cooldown().unwrap_or(300);
        state.scales_in = tracking.disable_scale_in() != Some(true);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeScalingPolicies in botocore's application-autoscaling examples. Somebody made our policy
    /// a step policy.
    #[test]
    fn a_policy_of_another_type_differs_in_everything() {
        let answer = ScalingPolicy::builder()
            .policy_arn("arn:aws:autoscaling:us-west-2:012345678910:scalingPolicy:6d8972f3")
            .policy_name("web-app-cpu-gt-75")
            .policy_type(PolicyType::StepScaling)
            .resource_id("service/default/web-app")
            .scalable_dimension(DIMENSION)
            .service_namespace(ServiceNamespace::Ecs)
            .creation_time(aws_smithy_types::DateTime::from_secs(1_557_144_699))
            .build()
            .expect("complete");
        let state = state(&answer);
        assert_eq!((state.metric.as_str(), state.pause_out), ("", 0));
    }
}
