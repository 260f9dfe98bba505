//! Amazon ElastiCache.

mod replication_group;
mod subnet_group;

use aws_sdk_elasticache::types::Tag;

use crate::aws::{Cx, Error};

pub use replication_group::{ReplicationGroup, ReplicationGroupOutput, ReplicationGroupReady, ReplicationGroupSpec};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec};

/// The tags of a group. One that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Vec<Tag>, Error> {
    match cx.elasticache.list_tags_for_resource().resource_name(arn).send().await.map_err(Error::from) {
        Ok(answer) => Ok(answer.tag_list.unwrap_or_default()),
        Err(error) if error.code.contains("NotFound") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)))
}
