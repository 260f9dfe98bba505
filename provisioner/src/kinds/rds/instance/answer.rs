//! Reads AWS's answers about an instance, and puts them in our terms.

use aws_sdk_rds::types::DbInstance;

use super::{InstanceReady, InstanceState};
use crate::kind::Status;
use crate::kinds::kms::key_arn;
use crate::kinds::rds::pairs;
use crate::scope::{Scope, VERSION_TAG};

pub(super) fn state(scope: &Scope, instance: &DbInstance) -> InstanceState {
    let text = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
    let groups = instance.vpc_security_groups().iter();
    let parameters = instance.db_parameter_groups().first();
    InstanceState {
        identifier: instance.db_instance_identifier().unwrap_or_default().to_lowercase(),
        source: text(instance.read_replica_source_db_instance_identifier()),
        class: instance.db_instance_class().unwrap_or_default().to_owned(),
        security_groups: groups.filter_map(|group| text(group.vpc_security_group_id())).collect(),
        protected: instance.deletion_protection().unwrap_or_default(),
        public: instance.publicly_accessible().unwrap_or_default(),
        iam_auth: instance.iam_database_authentication_enabled().unwrap_or_default(),
        copy_tags: instance.copy_tags_to_snapshot().unwrap_or_default(),
        auto_minor: instance.auto_minor_version_upgrade().unwrap_or_default(),
        logs: instance.enabled_cloudwatch_logs_exports().iter().cloned().collect(),
        ca: text(instance.ca_certificate_identifier()),
        major: instance.engine_version().map(major),
        engine_version: text(instance.engine_version()),
        standby: instance.multi_az(),
        backup_days: instance.backup_retention_period(),
        storage: instance.allocated_storage(),
        max_storage: instance.max_allocated_storage(),
        storage_type: text(instance.storage_type()),
        kms_key: text(instance.kms_key_id()).map(|key| key_arn(scope, &key)),
        database: text(instance.db_name()),
        username: text(instance.master_username()),
        subnet_group: text(instance.db_subnet_group().and_then(|group| group.db_subnet_group_name())),
        parameter_group: text(parameters.and_then(|group| group.db_parameter_group_name())),
        awaits_restart: parameters.and_then(|group| group.parameter_apply_status()) == Some("pending-reboot"),
        master: None,
        master_version: pairs(instance.tag_list())
            .find(|(key, _)| *key == VERSION_TAG)
            .map(|(_, version)| version.to_owned()),
    }
}

/// The status of an instance. AWS's words are from the RDS user guide, "Viewing DB instance status".
pub(super) fn status(instance: &DbInstance) -> Status {
    let word = instance.db_instance_status().unwrap_or_default();
    match word {
        "deleting" => return Status::Deleting,
        "available" | "storage-optimization" => {}
        "stopped" | "storage-full" | "restore-error" => return Status::Failed(format!("AWS says `{word}`")),
        _ if word.ends_with("failed") || word.starts_with("incompatible-") || word.starts_with("inaccessible-") => {
            return Status::Failed(format!("AWS says `{word}`"));
        }
        _ => return Status::Busy(word.to_owned()),
    }
    if let Some(replication) =
        instance.status_infos().iter().find(|info| info.status_type() == Some("read replication"))
    {
        match replication.status().unwrap_or_default() {
            "replicating" => {}
            word @ ("error" | "terminated" | "stopped") => {
                return Status::Failed(format!(
                    "replication is `{word}`: {}",
                    replication.message().unwrap_or("no reason")
                ));
            }
            word => return Status::Busy(format!("replication: {word}")),
        }
    }
    let pending = pending(instance);
    if !pending.is_empty() {
        return Status::Busy(format!("pending: {}", pending.join(", ")));
    }
    let applying =
        instance.db_parameter_groups().iter().any(|group| group.parameter_apply_status() == Some("applying"));
    let moving = instance.vpc_security_groups().iter().any(|group| group.status().is_some_and(|word| word != "active"));
    match (applying, moving) {
        (true, _) => Status::Busy("applying parameters".to_owned()),
        (_, true) => Status::Busy("changing security groups".to_owned()),
        (false, false) => Status::Ready,
    }
}

/// The changes that AWS has accepted and not made yet. Right after a change the status still says `available`.
fn pending(instance: &DbInstance) -> Vec<&'static str> {
    let Some(values) = instance.pending_modified_values() else {
        return Vec::new();
    };
    let logs = values
        .pending_cloudwatch_logs_exports()
        .is_some_and(|logs| !logs.log_types_to_enable().is_empty() || !logs.log_types_to_disable().is_empty());
    let all = [
        ("class", values.db_instance_class().is_some()),
        ("storage", values.allocated_storage().is_some() || values.storage_type().is_some()),
        ("password", values.master_user_password().is_some()),
        ("backup", values.backup_retention_period().is_some()),
        ("standby", values.multi_az().is_some()),
        ("engine version", values.engine_version().is_some()),
        ("certificate", values.ca_certificate_identifier().is_some()),
        ("IAM authentication", values.iam_database_authentication_enabled().is_some()),
        ("logs", logs),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

/// The endpoint, as soon as it answers. That is minutes before AWS says `available`.
pub(super) fn ready(instance: &DbInstance) -> Option<InstanceReady> {
    let word = instance.db_instance_status().unwrap_or_default();
    let answers = ["available", "backing-up", "modifying", "storage-optimization", "resetting-master-credentials"];
    if !answers.contains(&word) && !word.starts_with("configuring-") {
        return None;
    }
    let endpoint = instance.endpoint()?;
    let address = endpoint.address().filter(|address| !address.is_empty())?.to_owned();
    let resource = instance.dbi_resource_id().unwrap_or_default().to_owned();
    Some(InstanceReady { address, port: u16::try_from(endpoint.port()?).ok()?, resource })
}

/// The major version: `8.4` of `8.4.5`.
pub(super) fn major(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::{
        DbInstanceStatusInfo, DbParameterGroupStatus, DbSubnetGroup, Endpoint, PendingModifiedValues,
        VpcSecurityGroupMembership,
    };

    /// An instance with the facts of cloud-custodian's recording (Apache-2.0),
    /// `tests/data/placebo/test_rds_auto_patch/rds.DescribeDBInstances_1.json`.
    fn recorded() -> aws_sdk_rds::types::builders::DbInstanceBuilder {
        let group = VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-f6a42890").status("active");
        let parameters = DbParameterGroupStatus::builder().db_parameter_group_name("default.postgres9.5");
        DbInstance::builder()
            .db_instance_identifier("mydb")
            .db_instance_status("available")
            .db_instance_class("db.m3.medium")
            .engine_version("9.5.2")
            .master_username("mydbuser")
            .publicly_accessible(true)
            .multi_az(false)
            .copy_tags_to_snapshot(false)
            .auto_minor_version_upgrade(false)
            .allocated_storage(5)
            .backup_retention_period(7)
            .storage_type("gp2")
            .ca_certificate_identifier("rds-ca-2015")
            .vpc_security_groups(group.build())
            .db_parameter_groups(parameters.parameter_apply_status("in-sync").build())
            .db_subnet_group(DbSubnetGroup::builder().db_subnet_group_name("default").build())
            .pending_modified_values(PendingModifiedValues::builder().build())
            .endpoint(Endpoint::builder().address("mydb.cnhganveedh2.us-west-2.rds.amazonaws.com").port(5432).build())
    }

    #[test]
    fn a_recorded_answer() {
        let scope = Scope {
            account: "123456789012".into(),
            region: "us-west-2".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        };
        let instance = recorded().build();
        let state = state(&scope, &instance);
        assert_eq!((state.major.as_deref(), state.standby, state.backup_days), (Some("9.5"), Some(false), Some(7)));
        assert_eq!(Vec::from_iter(state.security_groups), ["sg-f6a42890"]);
        assert_eq!((state.public, state.source, state.kms_key), (true, None, None));
        assert_eq!(status(&instance), Status::Ready);
        assert_eq!(ready(&instance).map(|ready| ready.port), Some(5432));
    }

    #[test]
    fn available_is_not_yet_stable() {
        let pending = PendingModifiedValues::builder().db_instance_class("db.t4g.small").build();
        let busy = |instance: DbInstance| matches!(status(&instance), Status::Busy(_));
        assert!(busy(recorded().pending_modified_values(pending).build()));
        let adding = VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-1").status("adding").build();
        assert!(busy(recorded().vpc_security_groups(adding).build()));
        let replica = |word: &str| {
            let info = DbInstanceStatusInfo::builder().status_type("read replication").status(word);
            recorded().status_infos(info.message("no binlog").build()).build()
        };
        assert!(busy(replica("connecting")));
        assert_eq!(status(&replica("replicating")), Status::Ready);
        assert_eq!(status(&replica("error")), Status::Failed("replication is `error`: no binlog".into()));
    }

    #[test]
    fn the_endpoint_answers_before_available() {
        assert!(ready(&recorded().db_instance_status("backing-up").build()).is_some());
        assert!(ready(&recorded().db_instance_status("creating").build()).is_none());
        assert!(ready(&recorded().db_instance_status("rebooting").build()).is_none());
    }
}
