//! `autoscaling.target`: the least and the greatest number of tasks of a service.
//!
//! A target is found through its service, with one `DescribeScalableTargets` per 50 services. It has no name, and is
//! ours because the service is ours. Registering a target creates or updates it. Deregistering it takes its policies
//! along. Calls end at once. AWS makes the service-linked role by itself. If a target outlived its service, the next
//! service of that name would inherit it. So the target goes first.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, GONE};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ecs::Service;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Target;

#[derive(Serialize, Deserialize)]
pub struct TargetSpec {
    pub service: Ref<Service>,
    pub min: u32,
    pub max: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetState {
    pub scaling_id: String,
    pub min: u32,
    pub max: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetOutput {
    pub scaling_id: String,
}

impl Kind for Target {
    const FACTS: Facts = Facts {
        name: "autoscaling.target",
        untagged: "it belongs to its service; AWS takes tags only when it is new",
        fields: &[Field::fixed("scaling_id"), Field::wanted("min"), Field::wanted("max")],
        read_after: &["ecs.service"],
        retry: &[Retry::saying("ValidationException", "service doesn't exist", 60)],
        actions: &[
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:DescribeScalableTargets",
            "application-autoscaling:RegisterScalableTarget",
            "application-autoscaling:TagResource",
            "ecs:DescribeServices",
            "ecs:UpdateService",
            "iam:CreateServiceLinkedRole",
        ],
        ..Facts::DEFAULT
    };

    type Spec = TargetSpec;
    type State = TargetState;
    type Output = TargetOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &TargetSpec, outputs: &Outputs) -> Result<TargetState, Missing> {
        let scaling_id = outputs.get(&spec.service)?.scaling_id;
        Ok(TargetState { scaling_id, min: spec.min, max: spec.max })
    }
}

impl OnAws for Target {
    async fn read(cx: &Cx, query: &Query<'_, Target>) -> Result<Vec<Live<Target>>, Error> {
        // A target that nothing asks for has the name of its service.
        let mut names: BTreeMap<String, String> =
            query.outputs.all::<Service>().into_iter().map(|(name, service)| (service.scaling_id, name)).collect();
        for (name, spec) in &query.wanted {
            if let Ok(service) = query.outputs.get(&spec.service) {
                names.insert(service.scaling_id, name.clone());
            }
        }
        let ids: Vec<String> = names.keys().cloned().collect();
        let mut live = Vec::new();
        for batch in ids.chunks(AT_ONCE) {
            let call = cx.autoscaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs);
            let call = call.set_resource_ids(Some(batch.to_vec())).scalable_dimension(DIMENSION);
            let found: Vec<ScalableTarget> = call.into_paginator().items().send().try_collect().await?;
            for target in found {
                let Some(name) = names.get(&target.resource_id) else {
                    continue;
                };
                let state = state(&target);
                let id = state.scaling_id.clone();
                let output = TargetOutput { scaling_id: id.clone() };
                live.push(Live::ready((name.clone(), Owner::Child), id, state, output));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &TargetState) -> Result<TargetOutput, Error> {
        register(cx, want, Some(name)).await?;
        Ok(TargetOutput { scaling_id: want.scaling_id.clone() })
    }

    async fn update(cx: &Cx, _: &Live<Target>, want: &TargetState, _: &Changed) -> Result<(), Error> {
        register(cx, want, None).await
    }

    async fn delete(cx: &Cx, live: &Live<Target>, _: LastWish) -> Result<(), Error> {
        let call = cx.autoscaling.deregister_scalable_target().service_namespace(ServiceNamespace::Ecs);
        let call = call.scalable_dimension(DIMENSION).resource_id(&live.state.scaling_id);
        Error::or_gone(call.send().await, GONE)
    }
}

pub(super) const DIMENSION: ScalableDimension = ScalableDimension::EcsServiceDesiredCount;

/// Registers the target. AWS takes tags only for a new target.
async fn register(cx: &Cx, want: &TargetState, new: Option<&str>) -> Result<(), Error> {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let call = cx.autoscaling.register_scalable_target().service_namespace(ServiceNamespace::Ecs);
    let call = call.scalable_dimension(DIMENSION).resource_id(&want.scaling_id);
    let call = call.min_capacity(number(want.min)).max_capacity(number(want.max));
    call.set_tags(new.map(|name| cx.scope.tags(name).into_iter().collect())).send().await?;
    Ok(())
}

fn state(target: &ScalableTarget) -> TargetState {
    let number = |count: i32| u32::try_from(count).unwrap_or(0);
    TargetState {
        scaling_id: target.resource_id.clone(),
        min: number(target.min_capacity),
        max: number(target.max_capacity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeScalableTargets in botocore's application-autoscaling examples.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let answer = ScalableTarget::builder()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id("service/default/web-app")
            .scalable_dimension(DIMENSION)
            .min_capacity(1)
            .max_capacity(10)
            .role_arn("arn:aws:iam::012345678910:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/x")
            .creation_time(aws_smithy_types::DateTime::from_secs(1_557_144_731))
            .build()
            .expect("complete");
        let state = state(&answer);
        assert_eq!((state.scaling_id.as_str(), state.min, state.max), ("service/default/web-app", 1, 10));
    }
}
