//! How an event fails, in the words of Lambda.

use hyper::body::Bytes;
use serde_json::{Value, json};

/// The answer to an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Answered(Bytes),
    Failed(Failure),
}

/// The JSON document of an error: `errorType` and `errorMessage`, and what else the function has told.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure(pub Bytes);

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refused {
    /// All processes are busy, and the function has reserved concurrency.
    Throttled,
    Stopping,
}

impl Failure {
    pub fn timed_out(id: &str, timeout_ms: u64) -> Failure {
        let seconds = timeout_ms as f64 / 1000.0;
        Failure::of("Sandbox.Timedout", &format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds"))
    }

    pub fn exited(id: &str, how: &str) -> Failure {
        Failure::of("Runtime.ExitError", &format!("RequestId: {id} Error: {how}"))
    }

    pub fn answer_too_large(length: usize) -> Failure {
        let message = format!(
            "Response payload size ({length} bytes) exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."
        );
        Failure::of("Function.ResponseSizeTooLarge", &message)
    }

    pub fn of(kind: &str, message: &str) -> Failure {
        Failure(json!({ "errorType": kind, "errorMessage": message }).to_string().into())
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let Ok(told) = serde_json::from_slice::<Value>(&self.0) else {
            return String::from_utf8_lossy(&self.0).into_owned();
        };
        let field = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match (field("errorType"), field("errorMessage")) {
            (kind, message) if kind.is_empty() && message.is_empty() => told.to_string(),
            (kind, message) if kind.is_empty() => message,
            (kind, message) => format!("{kind}: {message}"),
        }
    }
}

/// The largest answer of a function, in bytes. It is also the largest event that somebody waits for.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const LARGEST_ANSWER: usize = 6_291_556;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_one_line() {
        let late = Failure::timed_out("id", 1500);
        assert_eq!(late.text(), "Sandbox.Timedout: RequestId: id Error: Task timed out after 1.50 seconds");
        assert_eq!(Failure("{\"errorMessage\":\"no\"}".into()).text(), "no");
        assert_eq!(Failure("oops".into()).text(), "oops");
        assert_eq!(Failure("[1]".into()).text(), "[1]");
    }
}
