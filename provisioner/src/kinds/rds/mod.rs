//! Amazon RDS.

mod instance;
mod parameter_group;
mod subnet_group;

use aws_sdk_rds::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error, Tags};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub use instance::{Instance, InstanceOutput, InstanceReady, InstanceRole, InstanceSpec, InstanceState};
pub use parameter_group::{ParameterGroup, ParameterGroupOutput, ParameterGroupSpec, ParameterGroupState};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec, SubnetGroupState};

pub static SERVICE: Service = Service {
    name: "rds",
    prefix: "rds",
    signs_as: "rds",
    tags: Some(TagCalls {
        put_action: "rds:AddTagsToResource",
        remove_action: "rds:RemoveTagsFromResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("rds", Calls::All, 20.0, 10.0)],
    reads: None,
    writes: &[Writes::new(
        Actions::Every,
        &[
            // A replica needs the same things as its primary: AWS asks about all of these types.
            On::Named("cluster:"),
            On::Named("db:"),
            On::Named("pg:"),
            On::Named("snapshot:"),
            On::Named("subgrp:"),
            On::Given { resource: "og:default:*", because: "a database has the option group that AWS gives it" },
        ],
        Bound::Name,
    )],
    for_roles: None,
    on_everything: &["rds:DescribeDBEngineVersions", "rds:DescribeEvents", "rds:DescribeOrderableDBInstanceOptions"],
    dependent: &[
        Dependent::on("rds:AddTagsToResource", "every Create with tags", "rds"),
        Dependent::on("rds:CreateDBSnapshot", "DeleteDBInstance with a last snapshot", "rds"),
    ],
    types: &[],
    section,
    only_ready: "the database shows what its groups are for",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "instance" => below("databases", name.strip_suffix("-replica").unwrap_or(name)),
        "parameter_group" => below("databases", name.rsplit_once("-mysql").map_or(name, |(of, _)| of)),
        "subnet_group" => whole("databases"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}

/// The tags of a group. A group that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    match cx.rds.list_tags_for_resource().resource_name(arn).send().await.map_err(Error::from) {
        Ok(answer) => {
            let tags = answer.tag_list.unwrap_or_default().into_iter();
            Ok(tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect())
        }
        Err(error) if error.code.contains("NotFound") => Ok(Tags::new()),
        Err(error) => Err(error),
    }
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)))
}
