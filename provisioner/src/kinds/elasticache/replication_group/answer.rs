//! Reads AWS's answers about a replication group, and puts them in our terms.

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, MultiAzStatus, ReplicationGroup as Group, TransitEncryptionMode,
};

use super::{ReplicationGroupReady, ReplicationGroupState, token};
use crate::kind::Status;
use crate::kinds::kms::key_arn;
use crate::scope::Scope;

pub(super) fn state(
    scope: &Scope,
    group: &Group,
    member: Option<&CacheCluster>,
    tag: Option<&str>,
) -> ReplicationGroupState {
    let auth_date = group.auth_token_last_modified_date().map(ToString::to_string);
    let (auth_version, auth_announced) = tag.map_or((None, None), |tag| token::versions(tag, auth_date.as_deref()));
    let security_groups = member.map(CacheCluster::security_groups).unwrap_or_default();
    let transit = match (group.transit_encryption_enabled(), group.transit_encryption_mode()) {
        (Some(true), Some(mode)) => mode.as_str(),
        // Engines that know no modes require TLS.
        (Some(true), None) => TransitEncryptionMode::Required.as_str(),
        _ => "",
    };
    ReplicationGroupState {
        id: group.replication_group_id().unwrap_or_default().to_lowercase(),
        engine: group.engine().or(member.and_then(CacheCluster::engine)).map(str::to_owned),
        version: member.and_then(CacheCluster::engine_version).map(major_and_minor),
        class: group.cache_node_type().unwrap_or_default().to_owned(),
        nodes: i32::try_from(group.member_clusters().len()).unwrap_or(i32::MAX),
        failover: matches!(
            group.automatic_failover(),
            Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)
        ),
        multi_az: group.multi_az() == Some(&MultiAzStatus::Enabled),
        subnet_group: member.and_then(CacheCluster::cache_subnet_group_name).map(str::to_owned),
        security_groups: security_groups
            .iter()
            .filter_map(|group| group.security_group_id())
            .map(str::to_owned)
            .collect(),
        kms_key: key_arn(scope, group.kms_key_id().unwrap_or_default()),
        at_rest: group.at_rest_encryption_enabled().unwrap_or_default(),
        transit: transit.to_owned(),
        snapshot_days: group.snapshot_retention_limit().unwrap_or_default(),
        auto_minor: group
            .auto_minor_version_upgrade()
            .or(member.and_then(CacheCluster::auto_minor_version_upgrade))
            .unwrap_or_default(),
        auth: None,
        auth_version,
        auth_announced,
        auth_date,
    }
}

pub(super) fn status(group: &Group) -> Status {
    let word = group.status().unwrap_or_default();
    match word {
        "deleting" => return Status::Deleting,
        "create-failed" => return Status::Failed("AWS says `create-failed`".to_owned()),
        "available" => {}
        _ => return Status::Busy(word.to_owned()),
    }
    let Some(pending) = group.pending_modified_values() else {
        return Status::Ready;
    };
    let waits = pending.auth_token_status().map(|status| format!("AUTH token: {}", status.as_str().to_lowercase()));
    let waits = waits.or(pending.automatic_failover_status().map(|_| "changing failover".to_owned()));
    let waits = waits.or(pending.transit_encryption_mode().map(|_| "changing TLS".to_owned()));
    match waits {
        Some(what) => Status::Busy(what),
        None => Status::Ready,
    }
}

/// The endpoints. AWS shows them when the group exists. After that they answer, whatever else goes on.
pub(super) fn ready(group: &Group) -> Option<ReplicationGroupReady> {
    if matches!(group.status(), Some("creating" | "create-failed" | "deleting")) {
        return None;
    }
    let shard = group.node_groups().first()?;
    let primary = shard.primary_endpoint()?;
    let address = primary.address().filter(|address| !address.is_empty())?;
    let reader = shard.reader_endpoint().and_then(|reader| reader.address()).filter(|address| !address.is_empty());
    Some(ReplicationGroupReady {
        primary: address.to_owned(),
        reader: reader.unwrap_or(address).to_owned(),
        port: u16::try_from(primary.port()?).ok()?,
    })
}

/// The major and minor version: `8.0` of `8.0.1`.
pub(super) fn major_and_minor(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticache::types::{Endpoint, NodeGroup, ReplicationGroupPendingModifiedValues};
    use aws_smithy_types::DateTime;

    /// A group with the facts of cloud-custodian's recording (Apache-2.0),
    /// `tests/data/placebo/test_elasticache_replication_group/elasticache.DescribeReplicationGroups_1.json`.
    fn recorded() -> aws_sdk_elasticache::types::builders::ReplicationGroupBuilder {
        let endpoint = |address: &str| Endpoint::builder().address(address).port(6379).build();
        let shard = NodeGroup::builder()
            .primary_endpoint(endpoint("test-pratyush.qgcgte.ng.0001.use1.cache.amazonaws.com"))
            .reader_endpoint(endpoint("test-pratyush-ro.qgcgte.ng.0001.use1.cache.amazonaws.com"));
        Group::builder()
            .replication_group_id("test-pratyush")
            .status("available")
            .pending_modified_values(ReplicationGroupPendingModifiedValues::builder().build())
            .member_clusters("test-pratyush-001")
            .member_clusters("test-pratyush-002")
            .node_groups(shard.build())
            .automatic_failover(AutomaticFailoverStatus::Enabled)
            .snapshot_retention_limit(1)
            .cache_node_type("cache.r5.large")
            .transit_encryption_enabled(false)
            .at_rest_encryption_enabled(true)
    }

    fn scope() -> Scope {
        Scope {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        }
    }

    #[test]
    fn a_recorded_answer() {
        let group = recorded().build();
        let state = state(&scope(), &group, None, None);
        assert_eq!((state.nodes, state.failover, state.multi_az), (2, true, false));
        assert_eq!((state.transit.as_str(), state.at_rest, state.snapshot_days), ("", true, 1));
        assert_eq!(status(&group), Status::Ready);
        let ready = ready(&group).expect("available");
        assert!(ready.reader.starts_with("test-pratyush-ro.") && ready.port == 6379);
    }

    #[test]
    fn a_rotation_that_was_cut_off_is_not_done_twice() {
        let of = |tag: Option<&str>, secs| {
            let group = recorded().auth_token_last_modified_date(DateTime::from_secs(secs)).build();
            let state = state(&scope(), &group, None, tag);
            (state.auth_version.unwrap_or_default(), state.auth_announced, state.auth_date.unwrap_or_default())
        };
        let (_, _, before) = of(None, 1_600_000_000);
        let announced = format!("v1 v2 {before}");
        assert_eq!(of(Some(&announced), 1_600_000_000), ("v1".into(), Some("v2".into()), before.clone()));
        assert_eq!(of(Some(&announced), 1_600_000_001).0, "v2");
        assert_eq!(of(Some("v2"), 1_600_000_001).0, "v2");
        assert_eq!(of(Some("v1 v2 -"), 1_600_000_001).0, "v2", "the first date that AWS shows");
        assert!(before.split(' ').count() == 1, "one word: {before}");
    }
}
