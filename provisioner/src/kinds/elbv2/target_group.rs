//! `elbv2.target_group`: the tasks of one service, as the load balancer sees them.
//!
//! Target groups are found through the load balancer, with one `DescribeTargetGroups` for all that it uses. The other
//! wanted ones are found by name, and the remaining ones by the tag index, where Elastic Load Balancing itself confirms
//! each. Names have at most 32 letters, digits and dashes (Elastic Load Balancing API reference, CreateTargetGroup).
//! Port, protocol and network cannot be changed, and a group that a listener uses cannot be deleted. So the port is a
//! part of the name: then the new group can be made beside the old one. All calls end within a second.
//!
//! The health check asks only for the process. A check that included the database would kill healthy tasks while the
//! database fails over.

use std::collections::HashMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as Answer, TargetGroupAttribute, TargetTypeEnum,
};
use serde::{Deserialize, Serialize};

use super::{GONE, LoadBalancer, tag_list, tags_of};
use crate::aws::{Cx, Error, Tags, collect, each};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::Vpc;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;
use crate::sections::services::health;

pub struct TargetGroup;

#[derive(Serialize, Deserialize)]
pub struct TargetGroupSpec {
    pub vpc: Ref<Vpc>,
    pub port: u16,
    /// The path of the health check.
    pub health: String,
    /// The status codes of a healthy answer, as in `200-299`.
    pub codes: String,
    /// The seconds between two checks.
    pub interval: u32,
    /// The seconds that one check may take.
    pub timeout: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetGroupState {
    pub name: String,
    pub vpc: String,
    pub port: u16,
    pub protocol: String,
    pub target_type: String,
    pub health: Health,
    /// The seconds that requests under way may take when a task goes.
    pub deregistration_delay: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub path: String,
    pub codes: String,
    /// The seconds between two checks.
    pub interval: i32,
    /// The seconds that one check may take.
    pub timeout: i32,
    pub healthy_after: i32,
    pub unhealthy_after: i32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetGroupOutput {
    pub arn: String,
    /// The name of the group in metrics: `targetgroup/<name>/<id>`.
    pub full_name: String,
}

impl Kind for TargetGroup {
    const FACTS: Facts = Facts {
        name: "elbv2.target_group",
        fields: &[
            Field::fixed("name"),
            Field::fixed("vpc"),
            Field::fixed("port"),
            Field::fixed("protocol"),
            Field::fixed("target_type"),
            Field::wanted("health"),
            Field::wanted("deregistration_delay"),
        ],
        read_after: &["elbv2.load_balancer"],
        exists: &["DuplicateTargetGroupName", "DuplicateTargetGroupNameException"],
        retry: &[Retry::code("ResourceInUse", 120), Retry::code("TargetGroupNotFound", 60)],
        actions: &[
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:CreateTargetGroup",
            "elasticloadbalancing:DeleteTargetGroup",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:RemoveTags",
            "tag:GetResources",
        ],
        ..Facts::DEFAULT
    };

    type Spec = TargetGroupSpec;
    type State = TargetGroupState;
    type Output = TargetGroupOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &TargetGroupSpec, outputs: &Outputs) -> Result<TargetGroupState, Missing> {
        Ok(TargetGroupState {
            name: aws_name(scope, name, spec),
            vpc: outputs.get(&spec.vpc)?.id,
            port: spec.port,
            protocol: ProtocolEnum::Http.as_str().to_owned(),
            target_type: TargetTypeEnum::Ip.as_str().to_owned(),
            health: Health {
                path: spec.health.clone(),
                codes: spec.codes.clone(),
                interval: i32::try_from(spec.interval).unwrap_or(i32::MAX),
                timeout: i32::try_from(spec.timeout).unwrap_or(i32::MAX),
                healthy_after: health::HEALTHY_AFTER.cast_signed(),
                unhealthy_after: health::UNHEALTHY_AFTER.cast_signed(),
            },
            // AWS's default, 300, would make every deployment and every `down` five minutes longer.
            deregistration_delay: 10,
        })
    }
}

impl OnAws for TargetGroup {
    async fn read(cx: &Cx, query: &Query<'_, TargetGroup>) -> Result<Vec<Live<TargetGroup>>, Error> {
        let wanted = query.named(|name, spec| aws_name(&cx.scope, name, spec));
        let mut found: HashMap<String, Answer> = HashMap::new();
        let parents = query.outputs.all::<LoadBalancer>().into_iter().map(|(_, parent)| By::LoadBalancer(parent.arn));
        for groups in each(parents.collect(), |by| described(cx, by)).await {
            found.extend(groups?);
        }
        let seen: Vec<String> = found.values().filter_map(|group| group.target_group_name.clone()).collect();
        let mut unseen: Vec<String> = wanted.keys().filter(|name| !seen.contains(name)).cloned().collect();
        let together = if unseen.is_empty() { Vec::new() } else { described(cx, By::Names(unseen.clone())).await? };
        if !together.is_empty() {
            found.extend(together);
            unseen.clear();
        }
        let unseen = unseen.into_iter().map(|name| By::Names(vec![name]));
        let hints = query.look.tagged(cx, "elasticloadbalancing:targetgroup").await.into_iter();
        let unused = hints.filter(|arn| !found.contains_key(arn)).map(By::Arn);
        for groups in each(unseen.chain(unused).collect(), |by| described(cx, by)).await {
            found.extend(groups?);
        }
        let named = |one: &Answer| one.target_group_name().and_then(|name| wanted.get(name)).copied();
        let arns = found.iter().map(|(arn, one)| (arn.as_str(), named(one)));
        let tags = tags_of(cx, query.look, arns).await?;
        collect(found.into_iter().collect(), |(arn, one)| one_live(cx, arn, one, &tags, &wanted)).await
    }

    async fn create(cx: &Cx, name: &str, want: &TargetGroupState) -> Result<TargetGroupOutput, Error> {
        let health = &want.health;
        let call = cx.elbv2.create_target_group().name(&want.name).protocol(ProtocolEnum::Http);
        let call = call.port(want.port.into()).vpc_id(&want.vpc).target_type(TargetTypeEnum::Ip);
        let call = call.health_check_path(&health.path).matcher(matcher(health));
        let call = call.health_check_interval_seconds(health.interval).health_check_timeout_seconds(health.timeout);
        let call = call.healthy_threshold_count(health.healthy_after);
        let call = call.unhealthy_threshold_count(health.unhealthy_after).set_tags(Some(tag_list(cx.scope.tags(name))));
        let made = call.send().await?.target_groups.unwrap_or_default().pop();
        let made = made.ok_or_else(|| Error::ours("CreateTargetGroup answered with no target group"))?;
        set_delay(cx, made.target_group_arn().unwrap_or_default(), want).await?;
        Ok(output(&made))
    }

    async fn update(
        cx: &Cx,
        live: &Live<TargetGroup>,
        want: &TargetGroupState,
        changed: &Changed,
    ) -> Result<(), Error> {
        if changed.has("health") {
            let health = &want.health;
            let call = cx.elbv2.modify_target_group().target_group_arn(&live.output.arn);
            let call = call.health_check_path(&health.path).matcher(matcher(health));
            let call = call.health_check_interval_seconds(health.interval).health_check_timeout_seconds(health.timeout);
            let call = call.healthy_threshold_count(health.healthy_after);
            call.unhealthy_threshold_count(health.unhealthy_after).send().await?;
        }
        if changed.has("deregistration_delay") {
            set_delay(cx, &live.output.arn, want).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<TargetGroup>, _: LastWish) -> Result<(), Error> {
        let call = cx.elbv2.delete_target_group().target_group_arn(&live.output.arn);
        Error::or_gone(call.send().await, GONE)
    }
}

const DELAY: &str = "deregistration_delay.timeout_seconds";

fn aws_name(scope: &Scope, name: &str, spec: &TargetGroupSpec) -> String {
    scope.name(&format!("{name}-{}", spec.port), 32)
}

fn output(found: &Answer) -> TargetGroupOutput {
    let arn = found.target_group_arn().unwrap_or_default().to_owned();
    TargetGroupOutput { full_name: arn.rsplit(':').next().unwrap_or_default().to_owned(), arn }
}

fn matcher(health: &Health) -> Matcher {
    Matcher::builder().http_code(&health.codes).build()
}

async fn set_delay(cx: &Cx, arn: &str, want: &TargetGroupState) -> Result<(), Error> {
    let delay = TargetGroupAttribute::builder().key(DELAY).value(want.deregistration_delay.to_string()).build();
    cx.elbv2.modify_target_group_attributes().target_group_arn(arn).attributes(delay).send().await?;
    Ok(())
}

/// The ways to ask for groups. A missing name or ARN makes AWS refuse a question about several.
enum By {
    LoadBalancer(String),
    Names(Vec<String>),
    Arn(String),
}

/// Describes groups. Each has its ARN with it.
async fn described(cx: &Cx, by: By) -> Result<Vec<(String, Answer)>, Error> {
    let call = cx.elbv2.describe_target_groups();
    let call = match by {
        By::LoadBalancer(arn) => call.load_balancer_arn(arn),
        By::Names(names) => call.set_names(Some(names)),
        By::Arn(arn) => call.target_group_arns(arn),
    };
    let found: Option<Vec<Answer>> =
        Error::unless_gone(call.into_paginator().items().send().try_collect().await, GONE)?;
    Ok(found.into_iter().flatten().filter_map(|group| Some((group.target_group_arn.clone()?, group))).collect())
}

async fn one_live(
    cx: &Cx,
    arn: String,
    found: Answer,
    tags: &HashMap<String, Tags>,
    wanted: &HashMap<String, &str>,
) -> Result<Option<Live<TargetGroup>>, Error> {
    let aws_name = found.target_group_name().unwrap_or_default();
    let here = wanted.get(aws_name).copied();
    let Some((mut name, owner)) = cx.scope.whose(tags.get(&arn).into_iter().flatten(), here) else {
        return Ok(None);
    };
    // The group has another port than its service has now. It goes when the new group has its place.
    if here.is_none() && wanted.values().any(|wanted| *wanted == name) {
        aws_name.clone_into(&mut name);
    }
    let call = cx.elbv2.describe_target_group_attributes().target_group_arn(&arn);
    let Some(answer) = Error::unless_gone(call.send().await, GONE)? else {
        return Ok(None);
    };
    Ok(Some(Live::ready((name, owner), arn, state(&found, answer.attributes()), output(&found))))
}

fn state(found: &Answer, attributes: &[TargetGroupAttribute]) -> TargetGroupState {
    let delay = attributes.iter().find(|one| one.key() == Some(DELAY)).and_then(TargetGroupAttribute::value);
    TargetGroupState {
        name: found.target_group_name().unwrap_or_default().to_owned(),
        vpc: found.vpc_id().unwrap_or_default().to_owned(),
        port: found.port().and_then(|port| port.try_into().ok()).unwrap_or_default(),
        protocol: found.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        target_type: found.target_type().map(|what| what.as_str().to_owned()).unwrap_or_default(),
        health: Health {
            path: found.health_check_path().unwrap_or_default().to_owned(),
            codes: found.matcher().and_then(Matcher::http_code).unwrap_or_default().to_owned(),
            interval: found.health_check_interval_seconds().unwrap_or_default(),
            timeout: found.health_check_timeout_seconds().unwrap_or_default(),
            healthy_after: found.healthy_threshold_count().unwrap_or_default(),
            unhealthy_after: found.unhealthy_threshold_count().unwrap_or_default(),
        },
        deregistration_delay: delay.and_then(|delay| delay.parse().ok()).unwrap_or(300),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of DescribeTargetGroups and DescribeTargetGroupAttributes in botocore's elbv2 examples.
    #[test]
    fn a_recorded_answer_reads_as_its_defaults() {
        let answer = Answer::builder()
            .target_group_name("my-targets")
            .target_group_arn(
                "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
            )
            .health_check_path("/")
            .health_check_interval_seconds(30)
            .health_check_timeout_seconds(5)
            .healthy_threshold_count(5)
            .unhealthy_threshold_count(2)
            .matcher(Matcher::builder().http_code("200").build())
            .port(80)
            .protocol(ProtocolEnum::Http)
            .vpc_id("vpc-3ac0fb5f")
            .build();
        let attributes = [TargetGroupAttribute::builder().key(DELAY).value("300").build()];
        let state = state(&answer, &attributes);
        assert_eq!((state.port, state.health.healthy_after, state.deregistration_delay), (80, 5, 300));
        assert_eq!(output(&answer).full_name, "targetgroup/my-targets/73e2d6bc24d8a067");
    }
}
