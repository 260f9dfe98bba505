//! Amazon ElastiCache.

mod replication_group;
mod subnet_group;

pub use replication_group::{ReplicationGroup, ReplicationGroupOutput, ReplicationGroupReady, ReplicationGroupSpec};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec};
