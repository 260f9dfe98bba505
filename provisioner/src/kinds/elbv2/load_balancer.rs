//! `elbv2.load_balancer`: an application load balancer that faces the internet.
//!
//! A load balancer is found by name. Load balancers that nothing asks for any more are found by the tag index, and
//! Elastic Load Balancing itself confirms each. Names have at most 32 letters, digits and dashes (Elastic Load
//! Balancing API reference, CreateLoadBalancer). A load balancer is active after 90, 150, at most 190 seconds. The
//! answer to the create has its ARN and DNS name, so listeners and services start at once. A deletion answers at once,
//! but the network interfaces stay for 1 to 3 minutes (logs of other tools' runs). The same create twice succeeds. A
//! create with other settings under the same name is refused, also for a while after a deletion.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer as Answer, LoadBalancerAttribute, LoadBalancerSchemeEnum, LoadBalancerState as Phase,
    LoadBalancerStateEnum, LoadBalancerTypeEnum,
};
use serde::{Deserialize, Serialize};

use super::{GONE, tag_list, tags_of};
use crate::aws::{Cx, Error, Tags, collect, each};
use crate::kind::facts::{Effect, Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::ec2::{InternetGateway, SecurityGroup, Subnet};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct LoadBalancer;

#[derive(Serialize, Deserialize)]
pub struct LoadBalancerSpec {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    /// The internet gateway. Only with it do the subnets lead outside.
    pub gateway: Ref<InternetGateway>,
    /// Whether the load balancer is protected against deletion.
    pub protected: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadBalancerState {
    pub name: String,
    pub scheme: String,
    pub subnets: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    pub protected: bool,
    pub drop_invalid_headers: bool,
    pub desync_mitigation: String,
    /// The idle timeout in seconds.
    pub idle_timeout: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadBalancerOutput {
    pub arn: String,
    pub dns_name: String,
    /// The name of the load balancer in metrics: `app/<name>/<id>`.
    pub full_name: String,
}

impl Kind for LoadBalancer {
    const FACTS: Facts = Facts {
        name: "elbv2.load_balancer",
        fields: &[
            Field::fixed("name"),
            Field::fixed("scheme"),
            Field::wanted("subnets").with(Effect::Failover).out_for(0, 60).taking(10, 60),
            Field::wanted("security_groups"),
            Field::wanted("protected"),
            Field::wanted("drop_invalid_headers"),
            Field::wanted("desync_mitigation"),
            Field::wanted("idle_timeout"),
        ],
        seconds: Seconds { create: 150, update: 5, delete: 60 },
        serves: true,
        exists: &["DuplicateLoadBalancerName", "DuplicateLoadBalancerNameException"],
        retry: &[
            Retry::code("LoadBalancerNotFound", 60),
            Retry::code("ResourceInUse", 120),
            Retry::code("SubnetNotFound", 60),
            Retry::code("InvalidSecurityGroup", 60),
            // The gateway was attached only a moment ago.
            Retry::saying("InvalidSubnet", "no internet gateway", 60),
        ],
        actions: &[
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:CreateLoadBalancer",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyLoadBalancerAttributes",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:SetSubnets",
            "iam:CreateServiceLinkedRole",
            "tag:GetResources",
        ],
        protection: Some("protected"),
        ..Facts::DEFAULT
    };

    type Spec = LoadBalancerSpec;
    type State = LoadBalancerState;
    type Output = LoadBalancerOutput;
    type Ready = ();

    fn want(
        scope: &Scope,
        name: &str,
        spec: &LoadBalancerSpec,
        outputs: &Outputs,
    ) -> Result<LoadBalancerState, Missing> {
        outputs.get(&spec.gateway)?;
        let subnets = outputs.of_each(&spec.subnets, |subnet| subnet.id)?;
        let security_groups = outputs.of_each(&spec.security_groups, |group| group.id)?;
        Ok(LoadBalancerState {
            name: aws_name(scope, name),
            scheme: LoadBalancerSchemeEnum::InternetFacing.as_str().to_owned(),
            subnets,
            security_groups,
            protected: spec.protected,
            drop_invalid_headers: true,
            desync_mitigation: "defensive".to_owned(),
            idle_timeout: 60,
        })
    }
}

impl OnAws for LoadBalancer {
    async fn read(cx: &Cx, query: &Query<'_, LoadBalancer>) -> Result<Vec<Live<LoadBalancer>>, Error> {
        let wanted = query.named(|name, _| aws_name(&cx.scope, name));
        let mut found: HashMap<String, Answer> = HashMap::new();
        for answer in each(wanted.keys().cloned().collect(), |name| described(cx, Some(name), None)).await {
            found.extend(answer?.map(|one| (one.load_balancer_arn.clone().unwrap_or_default(), one)));
        }
        let hints = query.look.tagged(cx, "elasticloadbalancing:loadbalancer").await;
        let unwanted = hints.into_iter().filter(|arn| arn.contains(":loadbalancer/app/") && !found.contains_key(arn));
        for answer in each(unwanted.collect(), |arn| described(cx, None, Some(arn))).await {
            found.extend(answer?.map(|one| (one.load_balancer_arn.clone().unwrap_or_default(), one)));
        }
        let named = |one: &Answer| one.load_balancer_name().and_then(|name| wanted.get(name)).copied();
        let arns = found.iter().map(|(arn, one)| (arn.as_str(), named(one)));
        let tags = tags_of(cx, query.look, arns).await?;
        collect(found.into_iter().collect(), |(arn, one)| one_live(cx, arn, one, &tags, &wanted)).await
    }

    async fn create(cx: &Cx, name: &str, want: &LoadBalancerState) -> Result<LoadBalancerOutput, Error> {
        let call = cx.elbv2.create_load_balancer().name(&want.name).r#type(LoadBalancerTypeEnum::Application);
        let call = call.scheme(LoadBalancerSchemeEnum::InternetFacing).set_tags(Some(tag_list(cx.scope.tags(name))));
        let call = call.set_subnets(Some(want.subnets.iter().cloned().collect()));
        let call = call.set_security_groups(Some(want.security_groups.iter().cloned().collect()));
        let made = call.send().await?.load_balancers.unwrap_or_default().pop();
        let made = made.ok_or_else(|| Error::ours("CreateLoadBalancer answered with no load balancer"))?;
        set_attributes(cx, made.load_balancer_arn().unwrap_or_default(), want).await?;
        Ok(output(&made))
    }

    async fn update(
        cx: &Cx,
        live: &Live<LoadBalancer>,
        want: &LoadBalancerState,
        changed: &Changed,
    ) -> Result<(), Error> {
        let arn = &live.output.arn;
        if changed.has("security_groups") {
            let groups = want.security_groups.iter().cloned().collect();
            cx.elbv2.set_security_groups().load_balancer_arn(arn).set_security_groups(Some(groups)).send().await?;
        }
        if changed.has("subnets") {
            let subnets = want.subnets.iter().cloned().collect();
            cx.elbv2.set_subnets().load_balancer_arn(arn).set_subnets(Some(subnets)).send().await?;
        }
        if changed.any(&["protected", "drop_invalid_headers", "desync_mitigation", "idle_timeout"]) {
            set_attributes(cx, arn, want).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<LoadBalancer>, _: LastWish) -> Result<(), Error> {
        let call = cx.elbv2.delete_load_balancer().load_balancer_arn(&live.output.arn);
        Error::or_gone(call.send().await, GONE)
    }

    async fn unprotect(cx: &Cx, live: &Live<LoadBalancer>) -> Result<(), Error> {
        let call = cx.elbv2.modify_load_balancer_attributes().load_balancer_arn(&live.output.arn);
        Error::or_gone(call.attributes(attribute(PROTECTION, "false")).send().await, GONE)
    }
}

const PROTECTION: &str = "deletion_protection.enabled";
const DROP: &str = "routing.http.drop_invalid_header_fields.enabled";
const DESYNC: &str = "routing.http.desync_mitigation_mode";
const IDLE: &str = "idle_timeout.timeout_seconds";

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 32)
}

fn output(found: &Answer) -> LoadBalancerOutput {
    let arn = found.load_balancer_arn().unwrap_or_default().to_owned();
    LoadBalancerOutput {
        full_name: arn.split_once(":loadbalancer/").map(|(_, name)| name.to_owned()).unwrap_or_default(),
        dns_name: found.dns_name().unwrap_or_default().to_owned(),
        arn,
    }
}

fn attribute(key: &str, value: impl Into<String>) -> LoadBalancerAttribute {
    LoadBalancerAttribute::builder().key(key).value(value).build()
}

async fn set_attributes(cx: &Cx, arn: &str, want: &LoadBalancerState) -> Result<(), Error> {
    let attributes = vec![
        attribute(PROTECTION, want.protected.to_string()),
        attribute(DROP, want.drop_invalid_headers.to_string()),
        attribute(DESYNC, &want.desync_mitigation),
        attribute(IDLE, want.idle_timeout.to_string()),
    ];
    let call = cx.elbv2.modify_load_balancer_attributes().load_balancer_arn(arn);
    call.set_attributes(Some(attributes)).send().await?;
    Ok(())
}

/// Describes a load balancer by its name or by its ARN. Each question is about one only, because a missing load
/// balancer makes AWS refuse a question about several.
async fn described(cx: &Cx, name: Option<String>, arn: Option<String>) -> Result<Option<Answer>, Error> {
    let call = cx.elbv2.describe_load_balancers();
    let call = call.set_names(name.map(|name| vec![name])).set_load_balancer_arns(arn.map(|arn| vec![arn]));
    let answer = Error::unless_gone(call.send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.load_balancers?.pop()))
}

async fn one_live(
    cx: &Cx,
    arn: String,
    found: Answer,
    tags: &HashMap<String, Tags>,
    wanted: &HashMap<String, &str>,
) -> Result<Option<Live<LoadBalancer>>, Error> {
    let wanted = found.load_balancer_name().and_then(|name| wanted.get(name)).copied();
    let Some(whose) = cx.scope.whose(tags.get(&arn).into_iter().flatten(), wanted) else {
        return Ok(None);
    };
    let call = cx.elbv2.describe_load_balancer_attributes().load_balancer_arn(&arn);
    let Some(answer) = Error::unless_gone(call.send().await, GONE)? else {
        return Ok(None);
    };
    Ok(Some(Live {
        status: status(found.state()),
        ..Live::ready(whose, arn, state(&found, answer.attributes()), output(&found))
    }))
}

fn status(phase: Option<&Phase>) -> Status {
    match phase.and_then(Phase::code) {
        // `ActiveImpaired` means that it routes, but AWS could not make it as large as it should be.
        Some(LoadBalancerStateEnum::Active | LoadBalancerStateEnum::ActiveImpaired) => Status::Ready,
        Some(LoadBalancerStateEnum::Failed) => {
            Status::Failed(phase.and_then(Phase::reason).unwrap_or("AWS could not make it").to_owned())
        }
        other => Status::Busy(other.map_or("provisioning", LoadBalancerStateEnum::as_str).to_owned()),
    }
}

fn state(found: &Answer, attributes: &[LoadBalancerAttribute]) -> LoadBalancerState {
    let value = |key: &str| {
        attributes.iter().find(|one| one.key() == Some(key)).and_then(LoadBalancerAttribute::value).unwrap_or_default()
    };
    LoadBalancerState {
        name: found.load_balancer_name().unwrap_or_default().to_owned(),
        scheme: found.scheme().map(|scheme| scheme.as_str().to_owned()).unwrap_or_default(),
        subnets: found.availability_zones().iter().filter_map(|zone| zone.subnet_id.clone()).collect(),
        security_groups: found.security_groups().iter().cloned().collect(),
        protected: value(PROTECTION) == "true",
        drop_invalid_headers: value(DROP) == "true",
        desync_mitigation: value(DESYNC).to_owned(),
        idle_timeout: value(IDLE).parse().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::AvailabilityZone;

    /// The examples of DescribeLoadBalancers and DescribeLoadBalancerAttributes in botocore's elbv2 examples.
    #[test]
    fn a_recorded_answer_reads_whatever_its_order() {
        let zone = |subnet: &str| AvailabilityZone::builder().subnet_id(subnet).build();
        let arn =
            "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/my-load-balancer/50dc6c495c0c9188";
        let answer = Answer::builder()
            .load_balancer_arn(arn)
            .load_balancer_name("my-load-balancer")
            .availability_zones(zone("subnet-8360a9e7"))
            .availability_zones(zone("subnet-b7d581c0"))
            .scheme(LoadBalancerSchemeEnum::InternetFacing)
            .security_groups("sg-5943793c")
            .build();
        let state = state(&answer, &[attribute("access_logs.s3.enabled", "false"), attribute(IDLE, "60")]);
        assert_eq!(output(&answer).full_name, "app/my-load-balancer/50dc6c495c0c9188");
        assert_eq!((state.idle_timeout, state.protected, state.subnets.len()), (60, false, 2));
    }
}
