//! Search domains.

use serde_json::json;

use super::it::It;
use super::template::Data;
use crate::kinds::opensearch::DomainState;

/// Adds a domain. It is kept when the stack is deleted: AWS takes no last snapshot of it.
pub(super) fn domain(it: &mut It<'_>, want: DomainState) {
    let DomainState {
        name,
        version,
        class,
        nodes,
        zones,
        storage,
        volume,
        inside,
        subnets,
        security_groups,
        kms_key,
        node_to_node,
        https,
        tls_policy,
        fine_grained,
        internal_users,
        access,
        auto_update,
        master,
    } = want;
    let mut cluster = json!({
        "InstanceType": class, "InstanceCount": nodes, "DedicatedMasterEnabled": false,
        "ZoneAwarenessEnabled": zones > 1,
    });
    if zones > 1 {
        cluster["ZoneAwarenessConfig"] = json!({"AvailabilityZoneCount": zones});
    }
    let mut properties = json!({
        "DomainName": name, "EngineVersion": version, "ClusterConfig": cluster,
        "EBSOptions": {"EBSEnabled": true, "VolumeType": volume, "VolumeSize": storage},
        "EncryptionAtRestOptions": {"Enabled": true, "KmsKeyId": kms_key},
        "NodeToNodeEncryptionOptions": {"Enabled": node_to_node},
        "DomainEndpointOptions": {"EnforceHTTPS": https, "TLSSecurityPolicy": tls_policy},
        "AdvancedSecurityOptions": {
            "Enabled": fine_grained, "InternalUserDatabaseEnabled": internal_users,
            "MasterUserOptions": {"MasterUserARN": master},
        },
        "AccessPolicies": access, "SoftwareUpdateOptions": {"AutoSoftwareUpdateEnabled": auto_update},
        "Tags": it.tags(),
    });
    if inside {
        properties["VPCOptions"] = json!({"SubnetIds": subnets, "SecurityGroupIds": security_groups});
    }
    it.put("AWS::OpenSearchService::Domain", properties).data = Data::Retain;
}
