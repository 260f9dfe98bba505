//! What a request is refused with.

/// The code is that of the service's model (`QueueDoesNotExist`, `NotFound`); how it travels is the protocol's matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }

    /// Ours, not the caller's.
    pub fn internal(error: &std::io::Error) -> Self {
        Refusal::new(INTERNAL, format!("The message could not be written down: {error}"))
    }
}

pub const INTERNAL: &str = "InternalError";
