//! The lines: each job moves on by a step when its time has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Factory, jobs};
use crate::background::Loop;
use crate::data::database::STATEMENT_TIMEOUT;
use crate::http::ready::Ready;
use crate::telemetry;

/// The time between two looks at the database, unless there is news.
pub const POLL: Duration = Duration::from_millis(250);
const TIDY: Duration = Duration::from_secs(600);

pub async fn run(factory: Arc<Factory>, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let mut told = None;
    let mut tidied = Instant::now();
    while !this.is_stopping() {
        let moved = in_time(advance(&factory)).await;
        let is_busy = matches!(moved, Ok(moved) if moved > 0);
        tell(&mut told, "lines.wait", moved.err());
        if tidied.elapsed() > TIDY {
            tidied = Instant::now();
            let _ = in_time(jobs::tidy(&factory.database)).await;
        }
        if !is_busy {
            let woken = tokio::time::timeout(POLL, factory.news.notified());
            this.unless_stopping(woken).await;
        }
    }
}

/// Runs a request to the database with a time limit.
pub async fn in_time<T>(asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(STATEMENT_TIMEOUT, asked)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer from the database")))
}

/// Logs one line when something begins to fail, and none while it goes on failing in the same way.
pub fn tell(told: &mut Option<String>, event: &str, error: Option<anyhow::Error>) {
    let message = error.map(|error| format!("{error:#}"));
    if let Some(message) = &message
        && told.as_ref() != Some(message)
    {
        telemetry::warn(event, &json!({ "message": message }));
    }
    *told = message;
}

/// Moves on what is due, and gives how many jobs that were.
async fn advance(factory: &Factory) -> anyhow::Result<usize> {
    let mut moved = 0;
    for (job, step) in jobs::due(&factory.database).await? {
        if jobs::advance(&factory.database, &job, step, factory.step).await? {
            moved += 1;
        }
    }
    Ok(moved)
}
