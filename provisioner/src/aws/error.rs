//! One error type for every call to AWS, and what may be done about it.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::kind::facts::{Facts, Retry};

/// An error that AWS, the network or this program reported.
#[derive(Clone, Debug)]
pub struct Error {
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
    /// Whether the call may have been carried out although it failed, because no answer came.
    pub ambiguous: bool,
}

impl Error {
    /// A failure that no call to AWS caused.
    pub fn ours(message: impl Into<String>) -> Error {
        Error { code: String::new(), message: message.into(), request_id: None, ambiguous: false }
    }

    /// The answer of a call, or `None` if the service says with one of the codes in `gone` that the resource does not
    /// exist.
    pub fn unless_gone<T>(result: Result<T, impl Into<Error>>, gone: &[&str]) -> Result<Option<T>, Error> {
        match result.map_err(Into::into) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is(gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Success, also if the service says with one of the codes in `gone` that the resource does not exist. Other errors
    /// stay.
    pub fn or_gone<T>(result: Result<T, impl Into<Error>>, gone: &[&str]) -> Result<(), Error> {
        Error::unless_gone(result, gone).map(drop)
    }

    pub fn is(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.code == *code)
    }

    pub fn says(&self, text: &str) -> bool {
        self.message.to_lowercase().contains(&text.to_lowercase())
    }

    /// Whether the credentials are expired or missing: then no other call will work either.
    pub fn is_login(&self) -> bool {
        self.is(&[
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "NoCredentials",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
        ])
    }

    /// Whether AWS refused the time of the request. It takes a request within five minutes of its own time.
    pub fn is_skewed(&self) -> bool {
        let about_time = ["signature expired", "not yet current", "time too skewed", "too large"];
        self.is(&["RequestTimeTooSkewed", "RequestInTheFuture"])
            || self.is(&["InvalidSignatureException", "SignatureDoesNotMatch"])
                && about_time.iter().any(|text| self.says(text))
    }

    pub fn is_denied(&self) -> bool {
        self.is(&[
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthorizationError",
            "AuthorizationErrorException",
        ])
    }

    fn is_throttle(&self) -> bool {
        THROTTLES.contains(&self.code.as_str()) || self.says("Rate exceeded")
    }

    /// For how many seconds it is worth trying again. `None` if it is not.
    pub fn worth_retrying(&self, facts: &Facts) -> Option<u32> {
        if self.is_throttle() || self.ambiguous {
            return Some(600);
        }
        let known = |retry: &&Retry| (retry.code.is_empty() || retry.code == self.code) && self.says(retry.text);
        facts.retry.iter().chain(EVERYWHERE).filter(known).map(|retry| retry.seconds).max()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), &self.request_id) {
            ("", _) => write!(f, "{}", self.message),
            (code, Some(id)) => write!(f, "{code}: {} (request id: {id})", self.message),
            (code, None) => write!(f, "{code}: {}", self.message),
        }
    }
}

impl std::error::Error for Error {}

impl<E> From<SdkError<E, HttpResponse>> for Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Error {
        match &error {
            SdkError::ServiceError(context) => {
                let (meta, status) = (context.err().meta(), context.raw().status().as_u16());
                Error {
                    code: meta.code().map_or_else(|| format!("HTTP {status}"), str::to_owned),
                    message: meta.message().unwrap_or("no message").to_owned(),
                    request_id: meta.request_id().map(str::to_owned),
                    ambiguous: status >= 500,
                }
            }
            SdkError::ConstructionFailure(_) => Error::ours(chain(&error)),
            _ => {
                let message = chain(&error);
                let login = message.contains("credential") || message.contains("identity");
                let code = if login { "NoCredentials" } else { "NoAnswer" };
                Error { code: code.into(), message, request_id: None, ambiguous: !login }
            }
        }
    }
}

/// The error for a request that we could not even build.
impl From<aws_smithy_types::error::operation::BuildError> for Error {
    fn from(error: aws_smithy_types::error::operation::BuildError) -> Error {
        Error::ours(chain(&error))
    }
}

/// The whole chain of causes. The SDK's own display shows only the outermost one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !parts.iter().any(|seen| seen.contains(&part)) {
            parts.push(part);
        }
        next = error.source();
    }
    parts.join(": ")
}

const THROTTLES: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "EC2ThrottledException",
    "SlowDown",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
    "LimitExceededException.Throttling",
];

/// Refusals that end by themselves, whatever the kind. Other services see a role only seconds after its creation, and
/// new ids of EC2 are not found everywhere at once. Others have seen these texts on the real AWS (go-to-k/cdkd and
/// hashicorp/terraform-provider-aws). The refusals of a single kind are in its file.
const EVERYWHERE: &[Retry] = &[
    Retry::text("cannot be assumed", 120),
    Retry::text("role defined for the function", 120),
    Retry::text("is unable to assume", 120),
    Retry::text("unable to assume the", 120),
    Retry::text("role validation failed", 120),
    Retry::text("authorized to assume the provided role", 120),
    Retry::text("invalid principal in policy", 120),
    Retry::text("contains a statement with one or more invalid principals", 120),
    Retry::code("InternalFailure", 120),
    Retry::code("InternalError", 120),
    Retry::code("InternalServerError", 120),
    Retry::code("InternalServerException", 120),
    Retry::code("InternalException", 120),
    Retry::code("ServerException", 120),
    Retry::code("ServiceException", 120),
    Retry::code("ServiceUnavailable", 120),
    Retry::code("ServiceUnavailableException", 120),
    Retry::code("Unavailable", 120),
    Retry::code("ConcurrentModification", 60),
    Retry::code("ConcurrentModificationException", 60),
    Retry::code("ConcurrentUpdateException", 60),
    Retry::code("OperationAbortedException", 60),
    Retry::code("InvalidVpcID.NotFound", 60),
    Retry::code("InvalidSubnetID.NotFound", 60),
    Retry::code("InvalidGroup.NotFound", 60),
    Retry::code("InvalidInternetGatewayID.NotFound", 60),
    Retry::code("InvalidAllocationID.NotFound", 60),
    Retry::code("InvalidRouteTableID.NotFound", 60),
    Retry::code("InvalidRouteTableId.NotFound", 60),
    Retry::code("NatGatewayNotFound", 60),
    Retry::code("DependencyViolation", 1800),
];
