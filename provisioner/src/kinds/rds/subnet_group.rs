//! `rds.subnet_group`: the subnets that a database may be in.
//!
//! A group is found by name: one list of all groups, then the tags of the groups with our prefix. Names have at most
//! 255 characters, which AWS keeps in lower case (RDS API reference, CreateDBSubnetGroup). Calls take a second. A group
//! cannot go before the last instance in it is gone (`InvalidDBSubnetGroupStateFault`). The subnets have to be in two
//! zones or more.

use std::collections::BTreeSet;

use aws_sdk_rds::types::DbSubnetGroup;
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
        name: "rds.subnet_group",
        fields: &[Field::fixed("name"), Field::wanted("subnets")],
        exists: &["DBSubnetGroupAlreadyExists", "DBSubnetGroupAlreadyExistsFault"],
        retry: &[
            Retry::code("InvalidDBSubnetGroupStateFault", 1800),
            Retry::code("InvalidDBSubnetStateFault", 300),
            Retry::code("InvalidSubnet", 30),
        ],
        actions: &[
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "rds:AddTagsToResource",
            "rds:CreateDBSubnetGroup",
            "rds:DeleteDBSubnetGroup",
            "rds:DescribeDBSubnetGroups",
            "rds:ListTagsForResource",
            "rds:ModifyDBSubnetGroup",
            "rds:RemoveTagsFromResource",
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
        let groups = cx.rds.describe_db_subnet_groups().into_paginator().items().send().try_collect().await?;
        let named = candidates(cx, query, groups, DbSubnetGroup::db_subnet_group_name, group_name);
        collect(named, |(group, wanted)| one(cx, group, wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &SubnetGroupState) -> Result<SubnetGroupOutput, Error> {
        let call = cx.rds.create_db_subnet_group().db_subnet_group_name(&want.name);
        let call = call.db_subnet_group_description(format!("Subnets of {name}"));
        let call = call.set_tags(Some(tag_list(cx.scope.tags(name))));
        call.set_subnet_ids(Some(want.subnets.iter().cloned().collect())).send().await?;
        Ok(SubnetGroupOutput { name: want.name.clone() })
    }

    async fn update(cx: &Cx, live: &Live<SubnetGroup>, want: &SubnetGroupState, _: &Changed) -> Result<(), Error> {
        let call = cx.rds.modify_db_subnet_group().db_subnet_group_name(&live.output.name);
        call.set_subnet_ids(Some(want.subnets.iter().cloned().collect())).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<SubnetGroup>, _: LastWish) -> Result<(), Error> {
        let call = cx.rds.delete_db_subnet_group().db_subnet_group_name(&live.output.name);
        Error::or_gone(call.send().await, &["DBSubnetGroupNotFoundFault", "DBSubnetGroupNotFound"])
    }
}

fn group_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255).to_lowercase()
}

async fn one(
    cx: &Cx,
    group: DbSubnetGroup,
    wanted: Option<String>,
    look: &Look,
) -> Result<Option<Live<SubnetGroup>>, Error> {
    let arn = group.db_subnet_group_arn().unwrap_or_default();
    let Some(whose) = look.whose(cx, arn, wanted.as_deref(), super::tags(cx, arn)).await? else { return Ok(None) };
    let state = state(&group);
    let output = SubnetGroupOutput { name: state.name.clone() };
    Ok(Some(Live::ready(whose, arn, state, output)))
}

fn state(group: &DbSubnetGroup) -> SubnetGroupState {
    SubnetGroupState {
        name: group.db_subnet_group_name().unwrap_or_default().to_lowercase(),
        subnets: group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier()).map(str::to_owned).collect(),
    }
}
