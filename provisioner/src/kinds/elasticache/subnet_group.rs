//! `elasticache.subnet_group`: the subnets that a cache may be in.
//!
//! A group is found by name: one list of all groups, then the tags of the groups with our prefix. Names have at most
//! 255 letters, digits and dashes, which AWS keeps in lower case (ElastiCache API reference, CreateCacheSubnetGroup).
//! Calls take a second. A group cannot go before the last cache in it is gone (`CacheSubnetGroupInUse`).

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::CacheSubnetGroup;
use serde::{Deserialize, Serialize};

use super::tag_list;
use crate::aws::{Cx, Error, Look, collect};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::Subnet;
use crate::kinds::named::candidates;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct SubnetGroup;

#[derive(Serialize, Deserialize)]
pub struct SubnetGroupSpec {
    pub subnets: Vec<Ref<Subnet>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetGroupState {
    pub name: String,
    pub subnets: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubnetGroupOutput {
    pub name: String,
}

impl Kind for SubnetGroup {
    const FACTS: Facts = Facts {
        name: "elasticache.subnet_group",
        fields: &[Field::fixed("name"), Field::wanted("subnets")],
        exists: &["CacheSubnetGroupAlreadyExists"],
        retry: &[
            Retry::code("CacheSubnetGroupInUse", 1800),
            Retry::code("SubnetInUse", 300),
            Retry::code("InvalidSubnet", 30),
        ],
        actions: &[
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "elasticache:AddTagsToResource",
            "elasticache:CreateCacheSubnetGroup",
            "elasticache:DeleteCacheSubnetGroup",
            "elasticache:DescribeCacheSubnetGroups",
            "elasticache:ListTagsForResource",
            "elasticache:ModifyCacheSubnetGroup",
            "elasticache:RemoveTagsFromResource",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SubnetGroupSpec;
    type State = SubnetGroupState;
    type Output = SubnetGroupOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &SubnetGroupSpec, outputs: &Outputs) -> Result<SubnetGroupState, Missing> {
        let subnets = outputs.of_each(&spec.subnets, |subnet| subnet.id)?;
        Ok(SubnetGroupState { name: group_name(scope, name), subnets })
    }
}

impl OnAws for SubnetGroup {
    async fn read(cx: &Cx, query: &Query<'_, SubnetGroup>) -> Result<Vec<Live<SubnetGroup>>, Error> {
        let pages = cx.elasticache.describe_cache_subnet_groups().into_paginator();
        let groups = pages.items().send().try_collect().await?;
        let named = candidates(cx, query, groups, CacheSubnetGroup::cache_subnet_group_name, group_name);
        collect(named, |(group, wanted)| one(cx, group, wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &SubnetGroupState) -> Result<SubnetGroupOutput, Error> {
        let call = cx.elasticache.create_cache_subnet_group().cache_subnet_group_name(&want.name);
        let call = call.cache_subnet_group_description(format!("Subnets of {name}"));
        let call = call.set_tags(Some(tag_list(cx.scope.tags(name))));
        call.set_subnet_ids(Some(want.subnets.iter().cloned().collect())).send().await?;
        Ok(SubnetGroupOutput { name: want.name.clone() })
    }

    async fn update(cx: &Cx, live: &Live<SubnetGroup>, want: &SubnetGroupState, _: &Changed) -> Result<(), Error> {
        let call = cx.elasticache.modify_cache_subnet_group().cache_subnet_group_name(&live.output.name);
        call.set_subnet_ids(Some(want.subnets.iter().cloned().collect())).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<SubnetGroup>, _: LastWish) -> Result<(), Error> {
        let call = cx.elasticache.delete_cache_subnet_group().cache_subnet_group_name(&live.output.name);
        Error::or_gone(call.send().await, &["CacheSubnetGroupNotFoundFault", "CacheSubnetGroupNotFound"])
    }
}

fn group_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255).to_lowercase()
}

async fn one(
    cx: &Cx,
    group: CacheSubnetGroup,
    wanted: Option<String>,
    look: &Look,
) -> Result<Option<Live<SubnetGroup>>, Error> {
    let arn = group.arn().unwrap_or_default();
    let Some(whose) = look.whose(cx, arn, wanted.as_deref(), super::tags(cx, arn)).await? else { return Ok(None) };
    let state = state(&group);
    let output = SubnetGroupOutput { name: state.name.clone() };
    Ok(Some(Live::ready(whose, arn, state, output)))
}

fn state(group: &CacheSubnetGroup) -> SubnetGroupState {
    SubnetGroupState {
        name: group.cache_subnet_group_name().unwrap_or_default().to_lowercase(),
        subnets: group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier()).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticache::types::Subnet;

    /// The example of DescribeCacheSubnetGroups in botocore's `elasticache/2015-02-02/examples-1.json`.
    #[test]
    fn subnets_are_a_set() {
        let subnet = |id: &str| Subnet::builder().subnet_identifier(id).build();
        let group = CacheSubnetGroup::builder().cache_subnet_group_name("default");
        let group = group.subnets(subnet("subnet-a1b2c3d4")).subnets(subnet("subnet-1a2b3c4d")).build();
        assert_eq!(Vec::from_iter(state(&group).subnets), ["subnet-1a2b3c4d", "subnet-a1b2c3d4"]);
    }
}
