//! What AWS answers about a function, in the kind's own terms.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput as Configuration;
use aws_sdk_lambda::operation::get_function_event_invoke_config::GetFunctionEventInvokeConfigOutput as InvokeConfig;
use aws_sdk_lambda::types::{
    Architecture, DestinationConfig, EnvironmentResponse, LastUpdateStatus, LogFormat, LoggingConfig, OnFailure,
    OnSuccess, Runtime, State as Phase, TracingConfigResponse, TracingMode,
};

use super::{Failures, FunctionState, Reserved};
use crate::kind::Status;

pub(super) fn status(found: &Configuration) -> Status {
    let why = |reason: Option<&str>| reason.unwrap_or("AWS does not say why").to_owned();
    match (found.state(), found.last_update_status()) {
        (Some(Phase::Pending), _) => Status::Busy("pending".to_owned()),
        (Some(Phase::Failed), _) => Status::Failed(why(found.state_reason())),
        (_, Some(LastUpdateStatus::InProgress)) => Status::Busy("updating".to_owned()),
        (_, Some(LastUpdateStatus::Failed)) => Status::Failed(why(found.last_update_status_reason())),
        // `Inactive` means that nobody has called the function for weeks. It comes back with the first call.
        _ => Status::Ready,
    }
}

pub(super) fn state(found: &Configuration) -> FunctionState {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let variables = found.environment().and_then(EnvironmentResponse::variables);
    let (logging, inside) = (found.logging_config(), found.vpc_config());
    FunctionState {
        name: text(found.function_name()),
        runtime: text(found.runtime().map(Runtime::as_str)),
        handler: text(found.handler()),
        role: text(found.role()),
        code_sha256: text(found.code_sha256()),
        architecture: text(found.architectures().first().or(Some(&Architecture::X8664)).map(Architecture::as_str)),
        memory: found.memory_size().unwrap_or_default(),
        timeout: found.timeout().unwrap_or_default(),
        concurrency: Reserved::Nothing,
        environment: variables.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        kms_key: text(found.kms_key_arn()),
        log_group: text(logging.and_then(LoggingConfig::log_group)),
        log_format: logging.and_then(LoggingConfig::log_format).unwrap_or(&LogFormat::Text).as_str().to_owned(),
        tracing: found
            .tracing_config()
            .and_then(TracingConfigResponse::mode)
            .unwrap_or(&TracingMode::PassThrough)
            .as_str()
            .to_owned(),
        subnets: inside.into_iter().flat_map(|inside| inside.subnet_ids()).cloned().collect(),
        security_groups: inside.into_iter().flat_map(|inside| inside.security_group_ids()).cloned().collect(),
        failures: Failures::default(),
        urls: BTreeMap::new(),
        layers: found
            .layers()
            .iter()
            .filter_map(|layer| Some((layer.arn()?.to_owned(), "with its code".into())))
            .collect(),
        stalled: found.last_update_status() == Some(&LastUpdateStatus::Failed),
    }
}

pub(super) fn failures(found: &InvokeConfig) -> Failures {
    let to = found.destination_config().and_then(DestinationConfig::on_failure);
    let success = found.destination_config().and_then(DestinationConfig::on_success);
    Failures {
        to: to.and_then(OnFailure::destination).unwrap_or_default().to_owned(),
        successes_to: success.and_then(OnSuccess::destination).unwrap_or_default().to_owned(),
        retries: found.maximum_retry_attempts(),
        max_age: found.maximum_event_age_in_seconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of the example of GetFunction in botocore's lambda examples.
    #[test]
    fn a_recorded_answer_reads_as_it_is() {
        let answer = Configuration::builder()
            .code_sha256("YFgDgEKG3ugvF1+pX64gV6tu9qNuIYNUdgJm8nCxsm4=")
            .function_name("my-function")
            .handler("index.handler")
            .kms_key_arn("arn:aws:kms:us-west-2:123456789012:key/b0844d6c-xmpl-4463-97a4-d49f50839966")
            .last_update_status(LastUpdateStatus::Successful)
            .memory_size(256)
            .role("arn:aws:iam::123456789012:role/lambda-role")
            .state(Phase::Active)
            .timeout(15)
            .tracing_config(TracingConfigResponse::builder().mode(TracingMode::Active).build())
            .build();
        let state = state(&answer);
        assert_eq!((state.architecture.as_str(), state.tracing.as_str(), state.stalled), ("x86_64", "Active", false));
        assert_eq!(status(&answer), Status::Ready);
    }
}
