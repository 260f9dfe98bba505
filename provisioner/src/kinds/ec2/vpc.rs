//! `ec2.vpc`: the network.
//!
//! A network is found by its tags. Its range is chosen once: AWS cannot change it. DNS, and names for hosts in it, are
//! set after the create, with one attribute per call. A crash between the two shows as a difference. AWS refuses to
//! delete a network while anything is in it. The default group, the main route table and the default ACL go with it.

use std::collections::HashMap;

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, VpcAttributeName, VpcState as Phase};
use serde::{Deserialize, Serialize};

use super::{after_create, holders, one_of_each, ours, owned, tagged};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Live, Missing, Outputs, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Vpc;

#[derive(Serialize, Deserialize)]
pub struct VpcSpec {
    /// The range of addresses, such as `10.0.0.0/16`. It is chosen once.
    pub cidr: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VpcState {
    pub cidr: String,
    pub dns_support: bool,
    pub dns_hostnames: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VpcOutput {
    pub id: String,
}

impl Kind for Vpc {
    const FACTS: Facts = Facts {
        name: "ec2.vpc",
        fields: &[Field::chosen("cidr"), Field::wanted("dns_support"), Field::wanted("dns_hostnames")],
        unnamed: true,
        actions: &[
            "ec2:CreateTags",
            "ec2:CreateVpc",
            "ec2:DeleteTags",
            "ec2:DeleteVpc",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcAttribute",
            "ec2:DescribeVpcs",
            "ec2:ModifyVpcAttribute",
        ],
        ..Facts::DEFAULT
    };

    type Spec = VpcSpec;
    type State = VpcState;
    type Output = VpcOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &VpcSpec, _: &Outputs) -> Result<VpcState, Missing> {
        // Private names of databases and endpoints are resolved only if both are on.
        Ok(VpcState { cidr: spec.cidr.clone(), dns_support: true, dns_hostnames: true })
    }
}

impl OnAws for Vpc {
    async fn read(cx: &Cx, query: &Query<'_, Vpc>) -> Result<Vec<Live<Vpc>>, Error> {
        let found = cx.ec2.describe_vpcs().filters(ours(cx)).into_paginator().items().send().try_collect().await?;
        let mut live = Vec::new();
        for vpc in found {
            let Some(whose) = owned(cx, vpc.tags()) else {
                continue;
            };
            let id = vpc.vpc_id.unwrap_or_default();
            let state = VpcState { cidr: vpc.cidr_block.unwrap_or_default(), ..VpcState::default() };
            let status = match vpc.state {
                Some(Phase::Pending) => Status::Busy("pending".into()),
                _ => Status::Ready,
            };
            live.push(Live { status, ..Live::ready(whose, id.clone(), state, VpcOutput { id }) });
        }
        let mut subnets: HashMap<String, usize> = HashMap::new();
        if live.len() > 1 {
            subnets = subnets_of_each(cx).await?;
        }
        // Of two networks, the one with more subnets is in use and keeps the name.
        let mut live = one_of_each(live, |live| usize::MAX - subnets.get(&live.id).copied().unwrap_or(0));
        let wanted = |live: &&mut Live<Vpc>| query.wanted.iter().any(|(name, _)| *name == live.name);
        for live in live.iter_mut().filter(wanted) {
            let (support, hostnames) = tokio::join!(
                attribute(cx, &live.id, VpcAttributeName::EnableDnsSupport),
                attribute(cx, &live.id, VpcAttributeName::EnableDnsHostnames),
            );
            (live.state.dns_support, live.state.dns_hostnames) = (support?, hostnames?);
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &VpcState) -> Result<VpcOutput, Error> {
        let call = cx.ec2_once.create_vpc().cidr_block(&want.cidr);
        let made = call.tag_specifications(tagged(cx, ResourceType::Vpc, name)).send().await?;
        let id = made.vpc.and_then(|vpc| vpc.vpc_id).unwrap_or_default();
        // AWS itself turns DNS on, but gives names to hosts only in default networks.
        set_dns_hostnames(cx, &id, want.dns_hostnames).await.map_err(after_create)?;
        Ok(VpcOutput { id })
    }

    async fn update(cx: &Cx, live: &Live<Vpc>, want: &VpcState, changed: &Changed) -> Result<(), Error> {
        if changed.has("dns_support") {
            let value = AttributeBooleanValue::builder().value(want.dns_support).build();
            cx.ec2.modify_vpc_attribute().vpc_id(&live.id).enable_dns_support(value).send().await?;
        }
        if changed.has("dns_hostnames") {
            set_dns_hostnames(cx, &live.id, want.dns_hostnames).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Vpc>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.ec2.delete_vpc().vpc_id(&live.id).send().await, GONE)
    }

    async fn explain(cx: &Cx, live: &Live<Vpc>) -> Evidence {
        holders(cx, "vpc-id", &live.id).await
    }
}

const GONE: &[&str] = &["InvalidVpcID.NotFound"];

async fn set_dns_hostnames(cx: &Cx, id: &str, on: bool) -> Result<(), Error> {
    let value = AttributeBooleanValue::builder().value(on).build();
    cx.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_hostnames(value).send().await?;
    Ok(())
}

/// Reads an attribute. It is `false` as long as EC2 does not show the network everywhere. That is a difference, so the
/// engine looks again.
async fn attribute(cx: &Cx, id: &str, name: VpcAttributeName) -> Result<bool, Error> {
    let answer = cx.ec2.describe_vpc_attribute().vpc_id(id).attribute(name).send().await;
    let value = Error::unless_gone(answer, GONE)?
        .and_then(|answer| answer.enable_dns_support.or(answer.enable_dns_hostnames)?.value);
    Ok(value.unwrap_or_default())
}

async fn subnets_of_each(cx: &Cx) -> Result<HashMap<String, usize>, Error> {
    let mut count = HashMap::new();
    let subnets = cx.ec2.describe_subnets().filters(ours(cx)).into_paginator().items().send().try_collect().await?;
    for subnet in subnets {
        *count.entry(subnet.vpc_id.unwrap_or_default()).or_default() += 1;
    }
    Ok(count)
}
