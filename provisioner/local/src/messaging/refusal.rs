//! The refusal of a request.

/// A refusal. The code is that of the service's model (`QueueDoesNotExist`, `NotFound`). Each protocol has its own form
/// for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }

    /// A refusal for a failure of this service, and not of the caller.
    pub fn internal(error: &std::io::Error) -> Self {
        Refusal::new(INTERNAL, format!("The message could not be written down: {error}"))
    }
}

pub const INTERNAL: &str = "InternalError";
