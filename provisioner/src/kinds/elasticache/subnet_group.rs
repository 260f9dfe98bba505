//! `elasticache.subnet_group`: the subnets that a cache may stand in.
//!
//! Found by name: one list of all groups, then the tags of those with our prefix. Names: 255 characters, kept in lower case,
//! letters, digits and dashes (ElastiCache API reference, CreateCacheSubnetGroup). Calls take a second; a group cannot go
//! before the last cache in it is gone (`CacheSubnetGroupInUse`).

use std::collections::BTreeSet;

use aws_sdk_elasticache::types::{CacheSubnetGroup, Tag};
use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error, Look, each};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Field, Kind, LastWish, Live, Query, Ref, Retry, Seconds, Status};
use crate::kinds::ec2::Subnet;
use crate::kinds::named::candidates;
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
        seconds: Seconds { create: 1, update: 1, delete: 1 },
        exists: &["CacheSubnetGroupAlreadyExists"],
        retry: &[
            Retry { code: "CacheSubnetGroupInUse", text: "", seconds: 1800 },
            Retry { code: "SubnetInUse", text: "", seconds: 300 },
            Retry { code: "InvalidSubnet", text: "", seconds: 30 },
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
        let mut subnets = BTreeSet::new();
        for subnet in &spec.subnets {
            subnets.insert(outputs.get(subnet)?.id);
        }
        Ok(SubnetGroupState { name: group_name(scope, name), subnets })
    }

    async fn read(cx: &Cx, query: &Query<'_, SubnetGroup>) -> Result<Vec<Live<SubnetGroup>>, Error> {
        let mut groups = Vec::new();
        let mut pages = cx.elasticache.describe_cache_subnet_groups().into_paginator().send();
        while let Some(page) = pages.next().await {
            groups.extend(page?.cache_subnet_groups.unwrap_or_default());
        }
        let named = candidates(cx, query, groups, CacheSubnetGroup::cache_subnet_group_name, group_name);
        let mut live = Vec::new();
        for found in each(named, |(group, wanted)| one(cx, group, wanted, query.look)).await {
            live.extend(found?);
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &SubnetGroupState) -> Result<SubnetGroupOutput, Error> {
        let mut call = cx.elasticache.create_cache_subnet_group().cache_subnet_group_name(&want.name);
        call = call.cache_subnet_group_description(format!("Subnets of {name}"));
        for (key, value) in cx.scope.tags(name) {
            call = call.tags(Tag::builder().key(key).value(value).build());
        }
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
        match call.send().await.map_err(Error::from) {
            Err(error) if !error.is(&["CacheSubnetGroupNotFoundFault", "CacheSubnetGroupNotFound"]) => Err(error),
            _ => Ok(()),
        }
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
    let tags = look.tags(cx, arn, wanted.as_deref(), super::tags(cx, arn)).await?;
    let Some((name, owner)) = cx.whose(&tags, wanted.as_deref()) else {
        return Ok(None);
    };
    let state = state(&group);
    Ok(Some(Live {
        name,
        owner,
        id: arn.to_owned(),
        output: SubnetGroupOutput { name: state.name.clone() },
        state,
        ready: Some(()),
        status: Status::Ready,
    }))
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
