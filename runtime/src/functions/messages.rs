//! The messages of one event, each with a verdict of its own.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::telemetry;

/// How a function handles messages.
pub struct Messages {
    /// The messages of one event that are handled at a time: 1 if they share a connection to a database.
    pub at_a_time: usize,
    pub handle: HandleMessage,
}

/// Gives a verdict for one message.
pub type HandleMessage = Box<dyn Fn(Envelope) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Handles the messages of an event, and gives their verdicts in their order. A message without a verdict when the time
/// is over comes again. So one message that hangs, or whose handler panics, does not bring the others back.
pub(super) async fn verdicts(messages: &Messages, envelopes: Vec<Envelope>, left: Duration) -> Vec<Verdict> {
    let deadline = Instant::now() + left.saturating_sub(SPARE);
    let verdict = |envelope: Envelope| async move {
        let message_id = envelope.message_id.clone();
        let handled = AssertUnwindSafe(async { (messages.handle)(envelope).await }).catch_unwind();
        match timeout_at(deadline, handled).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => unhandled(&message_id, "the handler panicked"),
            Err(_) => unhandled(&message_id, "no verdict in the time that Lambda gives"),
        }
    };
    stream::iter(envelopes).map(verdict).buffered(messages.at_a_time).collect().await
}

/// The time that is kept back from the handlers, for the answer with the verdicts.
const SPARE: Duration = Duration::from_millis(200);

fn unhandled(message_id: &str, message: &str) -> Verdict {
    telemetry::error("message.unhandled", &json!({ "message_id": message_id, "message": message }));
    Verdict::Retry(0)
}
