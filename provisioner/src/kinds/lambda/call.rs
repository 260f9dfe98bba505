//! One call of a function that somebody waits for.

use std::time::Duration;

use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::aws::{Cx, Error};

/// The failure of the function itself.
pub struct Failed {
    pub reason: String,
    /// The last 4 KB of its log (Lambda API reference, Invoke, `LogType`).
    pub log: String,
}

/// Calls the function once: a repetition would be a second call, also while the first is under way.
pub async fn call(cx: &Cx, function: &str, event: Option<&Value>, within: Duration) -> Result<Option<Failed>, Error> {
    let once = Builder::new()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(within).build());
    let call = cx.lambda.invoke().function_name(function).log_type(LogType::Tail);
    let call = call.set_payload(event.map(|event| Blob::new(event.to_string())));
    let answer = call.customize().config_override(once).send().await?;
    let told = answer.payload().map(AsRef::as_ref).unwrap_or_default();
    if answer.function_error().is_none() {
        let given_back = given_back(told);
        let reason = || format!("it gives {given_back} of them back");
        return Ok((given_back > 0).then(|| Failed { reason: reason(), log: String::new() }));
    }
    Ok(Some(Failed::read(told, answer.log_result().unwrap_or_default())))
}

/// How many records of a batch the function gives back, because it failed at them.
pub fn given_back(answer: &[u8]) -> usize {
    let told: Value = serde_json::from_slice(answer).unwrap_or_default();
    told["batchItemFailures"].as_array().map_or(0, Vec::len)
}

impl Failed {
    /// Reads the answer of a function that failed, and the end of its log in base64.
    pub(super) fn read(answer: &[u8], log: &str) -> Failed {
        let told: Value = serde_json::from_slice(answer).unwrap_or_default();
        let reason = told["errorMessage"].as_str().unwrap_or("the function does not say why").to_owned();
        let log = BASE64_STANDARD.decode(log).unwrap_or_default();
        Failed { reason, log: String::from_utf8_lossy(&log).into_owned() }
    }
}
