//! Amazon ElastiCache.

mod replication_group;
mod subnet_group;

use aws_sdk_elasticache::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error, Tags};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub use replication_group::{
    ReplicationGroup, ReplicationGroupOutput, ReplicationGroupReady, ReplicationGroupSpec, ReplicationGroupState,
};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec, SubnetGroupState};

pub static SERVICE: Service = Service {
    name: "elasticache",
    prefix: "elasticache",
    signs_as: "elasticache",
    tags: Some(TagCalls {
        put_action: "elasticache:AddTagsToResource",
        remove_action: "elasticache:RemoveTagsFromResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("elasticache", Calls::All, 20.0, 10.0)],
    reads: None,
    writes: &[Writes::new(
        Actions::Every,
        &[
            On::Named("cluster:"),
            On::Named("replicationgroup:"),
            On::Named("snapshot:"),
            On::Named("subnetgroup:"),
            On::Given {
                resource: "parametergroup:default.*",
                because: "a cache has the parameter group that AWS gives it",
            },
        ],
        Bound::Name,
    )],
    for_roles: None,
    on_everything: &[
        "elasticache:DescribeCacheEngineVersions",
        "elasticache:DescribeEvents",
        "elasticache:DescribeReservedCacheNodesOfferings",
    ],
    dependent: &[
        Dependent::on("elasticache:AddTagsToResource", "every Create with tags", "elasticache"),
        Dependent::on("elasticache:CreateSnapshot", "DeleteReplicationGroup with a last snapshot", "elasticache"),
    ],
    types: &[],
    section,
    only_ready: "the cache shows what its group is for",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "replication_group" => below("caches", name),
        "subnet_group" => whole("caches"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.elasticache.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}

/// The tags of a group. A group that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    match cx.elasticache.list_tags_for_resource().resource_name(arn).send().await.map_err(Error::from) {
        Ok(answer) => {
            let tags = answer.tag_list.unwrap_or_default().into_iter();
            Ok(tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect())
        }
        Err(error) if error.code.contains("NotFound") => Ok(Tags::new()),
        Err(error) => Err(error),
    }
}
