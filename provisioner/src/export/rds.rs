//! Databases and the groups that they are in.

use serde_json::{Value, json};

use super::it::It;
use super::template::Data;
use crate::kinds::rds::{InstanceRole, InstanceSpec, InstanceState, ParameterGroupState, SubnetGroupState};

pub(super) fn subnet_group(it: &mut It<'_>, want: SubnetGroupState) {
    let SubnetGroupState { name, subnets } = want;
    let properties = json!({
        "DBSubnetGroupName": name, "DBSubnetGroupDescription": format!("Subnets of {}", it.name),
        "SubnetIds": subnets, "Tags": it.tags(),
    });
    it.put("AWS::RDS::DBSubnetGroup", properties);
}

pub(super) fn parameter_group(it: &mut It<'_>, want: ParameterGroupState) {
    let ParameterGroupState { name, family, parameters } = want;
    let properties = json!({
        "DBParameterGroupName": name, "Description": format!("Settings of {}", it.name), "Family": family,
        "Parameters": parameters, "Tags": it.tags(),
    });
    it.put("AWS::RDS::DBParameterGroup", properties);
}

pub(super) fn instance(it: &mut It<'_>, spec: InstanceSpec, want: InstanceState) {
    let InstanceState {
        identifier,
        source: _,
        class,
        security_groups,
        protected,
        public,
        iam_auth,
        copy_tags,
        auto_minor,
        logs,
        ca,
        major,
        engine_version: _,
        standby,
        backup_days,
        storage,
        max_storage,
        storage_type,
        kms_key,
        database,
        username,
        subnet_group,
        parameter_group,
        awaits_restart: _,
        master,
        master_version: _,
    } = want;
    let mut properties = json!({
        "DBInstanceIdentifier": identifier, "DBInstanceClass": class, "Port": "3306",
        "VPCSecurityGroups": security_groups, "DeletionProtection": protected, "PubliclyAccessible": public,
        "EnableIAMDatabaseAuthentication": iam_auth, "CopyTagsToSnapshot": copy_tags,
        "AutoMinorVersionUpgrade": auto_minor, "EnableCloudwatchLogsExports": logs, "CACertificateIdentifier": ca,
        "Tags": it.tags(),
    });
    let source = match &spec.role {
        InstanceRole::Replica { source } => {
            // A replica has its source's storage, key, groups and engine. Nobody needs a snapshot of a copy.
            properties["SourceDBInstanceIdentifier"] = super::tokens::of(it.id_of(source), "").into();
            it.put("AWS::RDS::DBInstance", properties).data = Data::Delete;
            return;
        }
        InstanceRole::Primary { .. } => json!({
            "Engine": "mysql", "EngineVersion": major,
            "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "MultiAZ": standby, "BackupRetentionPeriod": backup_days, "AllocatedStorage": text(storage),
            "MaxAllocatedStorage": max_storage, "StorageType": storage_type, "StorageEncrypted": true,
            "KmsKeyId": kms_key, "DBName": database, "MasterUsername": username,
            "MasterUserPassword": super::secretsmanager::dynamic(&master.unwrap_or_default(), "password"),
            "DBSubnetGroupName": subnet_group, "DBParameterGroupName": parameter_group,
        }),
    };
    for (key, value) in source.as_object().into_iter().flatten() {
        properties[key] = value.clone();
    }
    it.put("AWS::RDS::DBInstance", properties).data = Data::Snapshot;
}

/// A number as text, which CloudFormation wants in some places.
fn text(number: Option<i32>) -> Value {
    number.map_or(Value::Null, |number| number.to_string().into())
}
