//! The event that a function handles at the moment. A process handles one event at a time, so the whole process has one.
//! Each line of the log has its ids, and each request of the SDK carries its trace.

use std::sync::{PoisonError, RwLock};

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Handled {
    /// The id that Lambda gives the event.
    #[serde(rename = "invocation_id")]
    pub id: String,
    /// The trace of the event, as Lambda has it: `Lambda-Runtime-Trace-Id`.
    #[serde(rename = "xray_trace_id", skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Sets the event that the process handles from now on.
pub fn begin(handled: Handled) {
    *HANDLED.write().unwrap_or_else(PoisonError::into_inner) = Some(handled);
}

/// The event that the process handles. `None` in a process that is no function, and before the first event.
pub fn handled() -> Option<Handled> {
    HANDLED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

static HANDLED: RwLock<Option<Handled>> = RwLock::new(None);
