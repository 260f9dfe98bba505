//! Asks AWS to make and to change an instance.

use std::collections::BTreeSet;

use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DbInstance, Tag};

use super::{Instance, InstanceState};
use crate::aws::{Cx, Error};
use crate::kind::Live;
use crate::kinds::on_aws::Changed;
use crate::kinds::secretsmanager;
use crate::scope::VERSION_TAG;

/// The usual port of MySQL.
const PORT: i32 = 3306;

pub(super) async fn make(cx: &Cx, want: &InstanceState, tags: Vec<Tag>) -> Result<Option<DbInstance>, Error> {
    let call = cx.rds.create_db_instance().db_instance_identifier(&want.identifier).engine("mysql");
    let call = call
        .engine_lifecycle_support("open-source-rds-extended-support-disabled")
        .master_user_password(password(cx, want).await?)
        .port(PORT)
        .storage_encrypted(true)
        .db_instance_class(&want.class)
        .publicly_accessible(want.public)
        .deletion_protection(want.protected)
        .enable_iam_database_authentication(want.iam_auth)
        .copy_tags_to_snapshot(want.copy_tags)
        .auto_minor_version_upgrade(want.auto_minor)
        .set_enable_cloudwatch_logs_exports(Some(list(&want.logs)))
        .set_vpc_security_group_ids(Some(list(&want.security_groups)))
        .set_ca_certificate_identifier(want.ca.clone())
        .set_engine_version(want.major.clone())
        .set_multi_az(want.standby)
        .set_backup_retention_period(want.backup_days)
        .set_allocated_storage(want.storage)
        .set_max_allocated_storage(want.max_storage)
        .set_storage_type(want.storage_type.clone())
        .set_kms_key_id(want.kms_key.clone())
        .set_db_name(want.database.clone())
        .set_master_username(want.username.clone())
        .set_db_subnet_group_name(want.subnet_group.clone())
        .set_db_parameter_group_name(want.parameter_group.clone())
        .set_tags(Some(tags));
    Ok(call.send().await?.db_instance)
}

pub(super) async fn copy(
    cx: &Cx,
    want: &InstanceState,
    source: &str,
    tags: Vec<Tag>,
) -> Result<Option<DbInstance>, Error> {
    let call = cx.rds.create_db_instance_read_replica().db_instance_identifier(&want.identifier);
    let call = call
        .source_db_instance_identifier(source)
        .port(PORT)
        .db_instance_class(&want.class)
        .publicly_accessible(want.public)
        .deletion_protection(want.protected)
        .enable_iam_database_authentication(want.iam_auth)
        .copy_tags_to_snapshot(want.copy_tags)
        .auto_minor_version_upgrade(want.auto_minor)
        .set_enable_cloudwatch_logs_exports(Some(list(&want.logs)))
        .set_vpc_security_group_ids(Some(list(&want.security_groups)))
        .set_ca_certificate_identifier(want.ca.clone())
        .set_tags(Some(tags));
    Ok(call.send().await?.db_instance)
}

/// Changes the fields that `changed` names. AWS keeps the fields that a call leaves out.
pub(super) async fn modify(
    cx: &Cx,
    live: &Live<Instance>,
    want: &InstanceState,
    changed: &Changed,
) -> Result<(), Error> {
    let call = cx.rds.modify_db_instance().db_instance_identifier(&want.identifier).apply_immediately(true);
    // Each field is sent only if it differs. AWS keeps the fields that are absent.
    let on = |field: &str| changed.has(field);
    let call = call
        .set_db_instance_class(on("class").then(|| want.class.clone()))
        .set_vpc_security_group_ids(on("security_groups").then(|| list(&want.security_groups)))
        .set_deletion_protection(on("protected").then_some(want.protected))
        .set_publicly_accessible(on("public").then_some(want.public))
        .set_enable_iam_database_authentication(on("iam_auth").then_some(want.iam_auth))
        .set_copy_tags_to_snapshot(on("copy_tags").then_some(want.copy_tags))
        .set_auto_minor_version_upgrade(on("auto_minor").then_some(want.auto_minor))
        .set_cloudwatch_logs_export_configuration(on("logs").then(|| exports(&live.state.logs, &want.logs)))
        .set_ca_certificate_identifier(want.ca.clone().filter(|_| on("ca")))
        .set_engine_version(want.major.clone().filter(|_| on("major")))
        .set_allow_major_version_upgrade(on("major").then_some(true))
        .set_multi_az(want.standby.filter(|_| on("standby")))
        .set_backup_retention_period(want.backup_days.filter(|_| on("backup_days")))
        .set_max_allocated_storage(want.max_storage.filter(|_| on("max_storage")))
        .set_storage_type(want.storage_type.clone().filter(|_| on("storage_type")))
        .set_db_parameter_group_name(want.parameter_group.clone().filter(|_| on("parameter_group")));
    let version = want.master_version.as_ref().filter(|_| on("master_version"));
    let Some(version) = version else {
        call.send().await?;
        return Ok(());
    };
    call.master_user_password(password(cx, want).await?).send().await?;
    // If the run is cut off here, the next run sets the same password once more.
    let tag = Tag::builder().key(VERSION_TAG).value(version).build();
    cx.rds.add_tags_to_resource().resource_name(&live.output.arn).tags(tag).send().await?;
    Ok(())
}

async fn password(cx: &Cx, want: &InstanceState) -> Result<String, Error> {
    let (arn, version) = (want.master.as_deref(), want.master_version.as_deref());
    secretsmanager::member(cx, arn.unwrap_or_default(), version.unwrap_or_default(), "password").await
}

fn exports(old: &BTreeSet<String>, new: &BTreeSet<String>) -> CloudwatchLogsExportConfiguration {
    let without = |a: &BTreeSet<String>, b: &BTreeSet<String>| Some(a.difference(b).cloned().collect());
    CloudwatchLogsExportConfiguration::builder()
        .set_enable_log_types(without(new, old))
        .set_disable_log_types(without(old, new))
        .build()
}

fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}
