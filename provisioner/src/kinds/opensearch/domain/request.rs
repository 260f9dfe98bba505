//! Puts the wanted state of a domain in AWS's terms.

use aws_sdk_opensearch::types::{
    AdvancedSecurityOptionsInput, ClusterConfig, DomainEndpointOptions, EbsOptions, MasterUserOptions,
    SoftwareUpdateOptions, VpcOptions, ZoneAwarenessConfig,
};

use super::DomainState;

pub(super) fn cluster(want: &DomainState) -> ClusterConfig {
    let cluster = ClusterConfig::builder().instance_type(want.class.as_str().into()).instance_count(want.nodes);
    let cluster = cluster.dedicated_master_enabled(false).zone_awareness_enabled(want.zones > 1);
    match want.zones {
        zones @ 2.. => {
            let zones = ZoneAwarenessConfig::builder().availability_zone_count(zones).build();
            cluster.zone_awareness_config(zones).build()
        }
        _ => cluster.build(),
    }
}

pub(super) fn volumes(want: &DomainState) -> EbsOptions {
    let volume = EbsOptions::builder().ebs_enabled(true).volume_type(want.volume.as_str().into());
    volume.volume_size(want.storage).build()
}

pub(super) fn network(want: &DomainState) -> VpcOptions {
    VpcOptions::builder()
        .set_subnet_ids(Some(want.subnets.iter().cloned().collect()))
        .set_security_group_ids(Some(want.security_groups.iter().cloned().collect()))
        .build()
}

pub(super) fn endpoint(want: &DomainState) -> DomainEndpointOptions {
    let endpoint = DomainEndpointOptions::builder().enforce_https(want.https);
    endpoint.tls_security_policy(want.tls_policy.as_str().into()).build()
}

pub(super) fn security(want: &DomainState) -> AdvancedSecurityOptionsInput {
    let master = MasterUserOptions::builder().set_master_user_arn(want.master.clone()).build();
    AdvancedSecurityOptionsInput::builder()
        .enabled(want.fine_grained)
        .internal_user_database_enabled(want.internal_users)
        .master_user_options(master)
        .build()
}

pub(super) fn updates(want: &DomainState) -> SoftwareUpdateOptions {
    SoftwareUpdateOptions::builder().auto_software_update_enabled(want.auto_update).build()
}
