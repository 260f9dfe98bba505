//! Reads AWS's answers about a domain, and puts them in our terms.

use aws_sdk_opensearch::types::{ConfigChangeStatus, DomainProcessingStatusType, DomainStatus};

use super::{DomainReady, DomainState};
use crate::aws::policy;
use crate::kind::Status;
use crate::kinds::kms::key_arn;
use crate::scope::Scope;

pub(super) fn state(scope: &Scope, domain: &DomainStatus) -> DomainState {
    let cluster = domain.cluster_config();
    let aware = cluster.and_then(|cluster| cluster.zone_awareness_enabled()).unwrap_or_default();
    let zones = cluster.and_then(|cluster| cluster.zone_awareness_config()?.availability_zone_count());
    let ebs = domain.ebs_options();
    let vpc = domain.vpc_options();
    let rest = domain.encryption_at_rest_options().filter(|rest| rest.enabled() == Some(true));
    let endpoint = domain.domain_endpoint_options();
    let security = domain.advanced_security_options();
    DomainState {
        name: domain.domain_name().to_owned(),
        version: domain.engine_version().unwrap_or_default().to_owned(),
        class: cluster.and_then(|cluster| cluster.instance_type()).map_or("", |class| class.as_str()).to_owned(),
        nodes: cluster.and_then(|cluster| cluster.instance_count()).unwrap_or_default(),
        // AWS means two zones if it does not say a number.
        zones: if aware { zones.unwrap_or(2) } else { 1 },
        storage: ebs.and_then(|ebs| ebs.volume_size()).unwrap_or_default(),
        volume: ebs.and_then(|ebs| ebs.volume_type()).map_or("", |volume| volume.as_str()).to_owned(),
        inside: vpc.is_some_and(|vpc| !vpc.subnet_ids().is_empty()),
        subnets: vpc.map(|vpc| vpc.subnet_ids().iter().cloned().collect()).unwrap_or_default(),
        security_groups: vpc.map(|vpc| vpc.security_group_ids().iter().cloned().collect()).unwrap_or_default(),
        kms_key: key_arn(scope, rest.and_then(|rest| rest.kms_key_id()).unwrap_or_default()),
        node_to_node: domain.node_to_node_encryption_options().and_then(|node| node.enabled()).unwrap_or_default(),
        https: endpoint.and_then(|endpoint| endpoint.enforce_https()).unwrap_or_default(),
        tls_policy: endpoint
            .and_then(|endpoint| endpoint.tls_security_policy())
            .map_or("", |policy| policy.as_str())
            .to_owned(),
        fine_grained: security.and_then(|security| security.enabled()).unwrap_or_default(),
        internal_users: security.and_then(|security| security.internal_user_database_enabled()).unwrap_or_default(),
        access: policy::parse(domain.access_policies().unwrap_or_default()),
        auto_update: domain
            .software_update_options()
            .and_then(|updates| updates.auto_software_update_enabled())
            .unwrap_or_default(),
        master: None,
    }
}

/// The status of a domain. Only whether it is processing decides. AWS's finer word, if there is one, is for people.
pub(super) fn status(domain: &DomainStatus) -> Status {
    let word = domain.domain_processing_status();
    if domain.deleted() == Some(true) || word == Some(&DomainProcessingStatusType::Deleting) {
        return Status::Deleting;
    }
    if word == Some(&DomainProcessingStatusType::Isolated) {
        return Status::Failed("AWS has isolated the domain: nobody reaches it. Mostly its key is disabled".to_owned());
    }
    let busy = domain.processing() == Some(true) || domain.upgrade_processing() == Some(true);
    if !busy && ready(domain).is_some() {
        return Status::Ready;
    }
    let refused = domain
        .change_progress_details()
        .filter(|change| matches!(change.config_change_status(), Some(ConfigChangeStatus::ValidationFailed)));
    if let Some(change) = refused {
        return Status::Failed(format!("the change was refused: {}", change.message().unwrap_or("no reason")));
    }
    let word = word.map(DomainProcessingStatusType::as_str).filter(|word| *word != "Active");
    Status::Busy(word.unwrap_or("Processing").to_lowercase())
}

/// The endpoint of the domain, which may be public or inside a VPC.
pub(super) fn ready(domain: &DomainStatus) -> Option<DomainReady> {
    let inside = || domain.endpoints().and_then(|all| all.get("vpc")).map(String::as_str);
    let endpoint = domain.endpoint().or_else(inside).filter(|endpoint| !endpoint.is_empty())?;
    Some(DomainReady { endpoint: endpoint.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_opensearch::types::{ClusterConfig, EbsOptions};

    /// A domain with the facts of cloud-custodian's recording (Apache-2.0),
    /// `tests/data/placebo/test_elasticsearch_query/es.DescribeElasticsearchDomains_1.json`. It has the same shape with
    /// older names.
    fn recorded() -> aws_sdk_opensearch::types::builders::DomainStatusBuilder {
        let cluster = ClusterConfig::builder().instance_count(1).zone_awareness_enabled(false);
        DomainStatus::builder()
            .domain_id("644160558196/indexme")
            .domain_name("indexme")
            .arn("arn:aws:es:us-east-1:644160558196:domain/indexme")
            .endpoint("search-indexme-3weeiii2sdicnuxqvunwj432um.us-east-1.es.amazonaws.com")
            .created(true)
            .deleted(false)
            .processing(false)
            .access_policies("")
            .ebs_options(EbsOptions::builder().ebs_enabled(false).build())
            .cluster_config(cluster.instance_type("m3.medium.elasticsearch".into()).build())
    }

    #[test]
    fn a_recorded_answer() {
        let scope = Scope {
            account: "644160558196".into(),
            region: "us-east-1".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        };
        let domain = recorded().build().expect("complete");
        let state = state(&scope, &domain);
        assert_eq!((state.nodes, state.zones, state.inside, state.kms_key.as_str()), (1, 1, false, ""));
        assert_eq!(status(&domain), Status::Ready);
        assert!(ready(&domain).is_some_and(|ready| ready.endpoint.starts_with("search-indexme-")));
    }

    #[test]
    fn it_is_ready_when_it_has_an_endpoint_and_nothing_goes_on() {
        let of = |domain: aws_sdk_opensearch::types::builders::DomainStatusBuilder| {
            status(&domain.build().expect("complete"))
        };
        assert_eq!(of(recorded().processing(true)), Status::Busy("processing".into()));
        assert_eq!(of(recorded().set_endpoint(None)), Status::Busy("processing".into()));
        assert_eq!(of(recorded().deleted(true)), Status::Deleting);
        assert_eq!(of(recorded().set_endpoint(None).endpoints("vpc", "vpc-x")), Status::Ready);
    }
}
