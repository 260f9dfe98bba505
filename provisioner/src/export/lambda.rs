//! Functions, and the rights to call them.

use serde_json::json;

use super::it::It;
use super::{parameters, tokens};
use crate::kinds::lambda::{FunctionSpec, FunctionState, PermissionSpec, PermissionState};

pub(super) fn function(it: &mut It<'_>, spec: FunctionSpec, want: FunctionState) {
    let FunctionState {
        name,
        runtime,
        handler,
        role,
        code_sha256: _,
        architecture,
        memory,
        timeout,
        environment,
        kms_key,
        log_group,
        log_format,
        tracing,
        subnets,
        security_groups,
        failures,
        urls: _,
        sources: _,
        layers: _,
        stalled: _,
    } = want;
    let way_out: Vec<String> =
        spec.inside.iter().flat_map(|inside| &inside.way_out).flat_map(|nat| it.all_of(nat)).collect();
    let code = json!({"S3Bucket": tokens::pseudo(parameters::BUCKET), "S3Key": tokens::pseudo(parameters::KEY)});
    let mut properties = json!({
        "FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": role, "Code": code,
        "Architectures": [architecture], "MemorySize": memory, "Timeout": timeout,
        "Environment": {"Variables": environment}, "KmsKeyArn": kms_key,
        "LoggingConfig": {"LogGroup": log_group, "LogFormat": log_format}, "TracingConfig": {"Mode": tracing},
        "Tags": it.tags(),
    });
    if !subnets.is_empty() {
        properties["VpcConfig"] = json!({"SubnetIds": subnets, "SecurityGroupIds": security_groups});
    }
    it.put("AWS::Lambda::Function", properties).after(way_out);
    let properties = json!({
        "FunctionName": it.own(), "Qualifier": "$LATEST", "MaximumRetryAttempts": failures.retries,
        "MaximumEventAgeInSeconds": failures.max_age, "DestinationConfig": {"OnFailure": {"Destination": failures.to}},
    });
    it.part("Failures", "AWS::Lambda::EventInvokeConfig", properties);
}

pub(super) fn permission(it: &mut It<'_>, spec: PermissionSpec, want: PermissionState) {
    // CloudFormation takes no id for the statement.
    let PermissionState { id: _, function, principal, action, source_arn: _, source_account } = want;
    // The ARN has `:*` at its end, as `up` asks for.
    let source_arn = tokens::of(it.id_of(&spec.log_group), "Arn");
    let properties = json!({
        "FunctionName": function, "Principal": principal, "Action": action, "SourceArn": source_arn,
        "SourceAccount": source_account,
    });
    it.put("AWS::Lambda::Permission", properties);
}
