//! Functions, and the rights to call them.

use serde_json::json;

use super::it::It;
use super::{parameters, tokens};
use crate::kinds::lambda::{
    FunctionSpec, FunctionState, PermissionSource, PermissionSpec, PermissionState, Reserved, SourceSpec, SourceState,
    StreamState, WayOut,
};

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
        concurrency,
        mut environment,
        kms_key,
        log_group,
        log_format,
        tracing,
        subnets,
        security_groups,
        failures,
        urls: _,
        layers: _,
        stalled: _,
    } = want;
    let way_out = spec.inside.iter().flat_map(|inside| &inside.way_out).flat_map(|way| match way {
        WayOut::Nat(nat) => it.all_of(nat),
        WayOut::Endpoint(endpoint) => it.all_of(endpoint),
    });
    let way_out: Vec<String> = way_out.collect();
    // CloudFormation cannot tell a version. Without one, the function takes the current version.
    for secret in &spec.secrets {
        environment.remove(&format!("{}_VERSION", secret.name));
    }
    let code = json!({"S3Bucket": tokens::pseudo(parameters::BUCKET), "S3Key": tokens::pseudo(parameters::KEY)});
    let mut properties = json!({
        "FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": role, "Code": code,
        "Architectures": [architecture], "MemorySize": memory, "Timeout": timeout,
        "Environment": {"Variables": environment}, "KmsKeyArn": kms_key,
        "LoggingConfig": {"LogGroup": log_group, "LogFormat": log_format}, "TracingConfig": {"Mode": tracing},
        "Tags": it.tags(),
    });
    if let Reserved::Calls(most) = concurrency {
        properties["ReservedConcurrentExecutions"] = most.into();
    }
    if !subnets.is_empty() {
        properties["VpcConfig"] = json!({"SubnetIds": subnets, "SecurityGroupIds": security_groups});
    }
    it.put("AWS::Lambda::Function", properties).after(way_out);
    if spec.on_failure.is_none() {
        return;
    }
    let properties = json!({
        "FunctionName": it.own(), "Qualifier": "$LATEST", "MaximumRetryAttempts": failures.retries,
        "MaximumEventAgeInSeconds": failures.max_age, "DestinationConfig": {"OnFailure": {"Destination": failures.to}},
    });
    it.part("Failures", "AWS::Lambda::EventInvokeConfig", properties);
}

pub(super) fn permission(it: &mut It<'_>, spec: PermissionSpec, want: PermissionState) {
    // CloudFormation takes no id for the statement.
    let PermissionState { id: _, function, principal, action, source_arn, source_account } = want;
    let source_arn = match &spec.source {
        // The ARN has `:*` at its end, as `up` asks for.
        PermissionSource::LogGroup(group) => tokens::of(it.id_of(group), "Arn"),
        PermissionSource::Topic(_) | PermissionSource::Rule(_) | PermissionSource::Api(_) => source_arn,
    };
    let mut properties =
        json!({"FunctionName": function, "Principal": principal, "Action": action, "SourceArn": source_arn});
    if !source_account.is_empty() {
        properties["SourceAccount"] = source_account.into();
    }
    it.put("AWS::Lambda::Permission", properties);
}

/// Adds a mapping. The queue's policy and the function's rights come with the queue and the role.
pub(super) fn source(it: &mut It<'_>, spec: SourceSpec, want: SourceState) {
    let SourceState {
        source,
        function: _,
        enabled,
        batch,
        window,
        concurrency,
        partial_failures: _,
        filters: _,
        stream,
        begin,
        last_result: _,
    } = want;
    let function = tokens::of(it.id_of(&spec.function), "Arn");
    let mut properties = json!({
        "EventSourceArn": source, "FunctionName": function, "Enabled": enabled, "BatchSize": batch,
        "MaximumBatchingWindowInSeconds": window, "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "Tags": it.tags(),
    });
    if concurrency > 0 {
        properties["ScalingConfig"] = json!({"MaximumConcurrency": concurrency});
    }
    if let Some(StreamState { halves, retries, max_age, parallel, failed }) = stream {
        properties["StartingPosition"] = begin.into();
        properties["BisectBatchOnFunctionError"] = halves.into();
        properties["MaximumRetryAttempts"] = retries.into();
        properties["MaximumRecordAgeInSeconds"] = max_age.into();
        properties["ParallelizationFactor"] = parallel.into();
        properties["DestinationConfig"] = json!({"OnFailure": {"Destination": failed}});
    }
    it.put("AWS::Lambda::EventSourceMapping", properties);
}
