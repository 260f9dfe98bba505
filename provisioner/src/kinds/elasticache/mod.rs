//! Amazon ElastiCache.

mod replication_group;
mod subnet_group;

use crate::aws::{Cx, Error, Tags};

pub use replication_group::{
    ReplicationGroup, ReplicationGroupOutput, ReplicationGroupReady, ReplicationGroupSpec, ReplicationGroupState,
};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec, SubnetGroupState};

/// The tags of a group. One that has gone meanwhile has none.
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
