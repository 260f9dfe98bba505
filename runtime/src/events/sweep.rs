//! The outbox of a role without loops. A function does the effects that wait there in passing: when it starts, and after
//! each request. What is left over waits for the next request, or for a function on a schedule.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use super::outbox;
use super::relay::{self, Relay};
use crate::data::database::Database;
use crate::telemetry::{self, metrics};

pub struct Sweep {
    database: Arc<Database>,
    /// One for each target.
    relays: Vec<Relay>,
    /// When an attempt in passing has failed last.
    failed: Mutex<Option<Instant>>,
}

impl Sweep {
    pub fn new(database: &Arc<Database>, relays: Vec<Relay>) -> Self {
        Sweep { database: Arc::clone(database), relays, failed: Mutex::default() }
    }

    /// Does all effects that wait. It is an error if one is left. A target that fails does not keep the others waiting.
    pub async fn all(&self) -> anyhow::Result<()> {
        let mut connection = self.database.primary.connection().await?;
        metrics::gauge("OutboxDepth", outbox::depth(&mut connection).await?);
        drop(connection);
        let mut outcome = Ok(());
        for relay in &self.relays {
            outcome = outcome.and(relay::once(relay).await);
        }
        outcome
    }

    /// Does the effects that wait, if that is quick. A request waits for it no longer than [`PATIENCE`], and no failure
    /// here fails a request: what was acknowledged is in the outbox.
    pub async fn in_passing(&self) {
        let rests = |failed: Instant| failed.elapsed() < REST;
        if self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(rests) {
            return;
        }
        let swept = tokio::time::timeout(PATIENCE, self.waiting()).await;
        let failed = match swept {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("not done in {} s", PATIENCE.as_secs())),
        };
        if let Some(message) = &failed {
            telemetry::warn("outbox.waits", &json!({ "message": message }));
        }
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed.map(|_| Instant::now());
    }

    async fn waiting(&self) -> anyhow::Result<()> {
        let mut connection = self.database.primary.connection().await?;
        let targets = outbox::targets(&mut connection).await?;
        drop(connection);
        let mut outcome = Ok(());
        for relay in self.relays.iter().filter(|relay| targets.iter().any(|target| target == relay.target())) {
            outcome = outcome.and(relay::in_passing(relay).await);
        }
        outcome
    }
}

/// A layer of the routes: after each request it does the effects that wait.
pub async fn after(State(sweep): State<Arc<Sweep>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    sweep.in_passing().await;
    response
}

/// The longest that a request waits for its effects.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The time after a failure in which no request tries again. While a topic cannot be reached, requests are not slow for
/// it.
const REST: Duration = Duration::from_secs(5);
