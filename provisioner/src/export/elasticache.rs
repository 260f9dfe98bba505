//! Caches and the groups that they are in.

use serde_json::{Value, json};

use super::it::It;
use super::template::Data;
use super::tokens;
use crate::kinds::elasticache::{ReplicationGroupState, SubnetGroupState};
use crate::scope::Scope;

pub(super) fn arn(scope: &Scope, id: &str, _: &Value) -> String {
    scope.arn("elasticache", &format!("replicationgroup:{}", tokens::of(id, "")))
}

pub(super) fn subnet_group(it: &mut It<'_>, want: SubnetGroupState) {
    let SubnetGroupState { name, subnets } = want;
    let properties = json!({
        "CacheSubnetGroupName": name, "Description": format!("Subnets of {}", it.name), "SubnetIds": subnets,
        "Tags": it.tags(),
    });
    it.put("AWS::ElastiCache::SubnetGroup", properties);
}

pub(super) fn replication_group(it: &mut It<'_>, want: ReplicationGroupState) {
    let ReplicationGroupState {
        id,
        engine,
        version,
        class,
        nodes,
        failover,
        multi_az,
        subnet_group,
        security_groups,
        kms_key,
        at_rest,
        transit,
        snapshot_days,
        auto_minor,
        auth,
        auth_version: _,
        auth_announced: _,
        auth_date: _,
    } = want;
    let properties = json!({
        "ReplicationGroupId": id, "ReplicationGroupDescription": format!("{} of {}", it.name, it.prefix()),
        "Engine": engine, "EngineVersion": version, "CacheNodeType": class, "NumCacheClusters": nodes, "Port": 6379,
        "AutomaticFailoverEnabled": failover, "MultiAZEnabled": multi_az, "CacheSubnetGroupName": subnet_group,
        "SecurityGroupIds": security_groups, "KmsKeyId": kms_key, "AtRestEncryptionEnabled": at_rest,
        "TransitEncryptionEnabled": true, "TransitEncryptionMode": transit,
        "AuthToken": super::secretsmanager::dynamic(&auth.unwrap_or_default(), "token"),
        "SnapshotRetentionLimit": snapshot_days, "AutoMinorVersionUpgrade": auto_minor, "Tags": it.tags(),
    });
    it.put("AWS::ElastiCache::ReplicationGroup", properties).data = Data::Snapshot;
}
