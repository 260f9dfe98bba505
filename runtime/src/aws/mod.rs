//! The AWS SDK, with the credentials of the task's role and an HTTP client that trusts Mozilla's roots.

pub mod credentials;
pub mod dynamodb;
pub mod secrets;
pub mod signed;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sns::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sns::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sns::error::BoxError;
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::telemetry::invocation;

/// The configuration of the SDK, from the environment only. AWS is not called before the first request.
pub async fn config(region: &str) -> SdkConfig {
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(client)
        .timeout_config(timeouts)
        .load()
        .await
}

/// Puts the trace of the event that is handled on each request, so that Lambda finds a chain of functions that calls
/// itself. <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
///
/// The SDK would do this itself, from the variable `_X_AMZN_TRACE_ID`. A process with threads cannot set a variable of
/// its environment safely, so the header is put here.
#[derive(Debug)]
pub struct Traced;

impl Intercept for Traced {
    fn name(&self) -> &'static str {
        "Traced"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(trace) = invocation::handled().and_then(|handled| handled.trace) {
            context.request_mut().headers_mut().try_insert("x-amzn-trace-id", trace)?;
        }
        Ok(())
    }
}

/// An error in one line: the refusal of AWS, or the reason why AWS did not answer.
pub fn told<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.as_service_error() {
        Some(said) => format!("{}: {}", said.code().unwrap_or("error"), said.message().unwrap_or("no message")),
        None => DisplayErrorContext(error).to_string(),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit of an operation with all its repetitions. Receiving with a long poll sets a limit of its own.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
