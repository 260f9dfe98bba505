//! `/readyz` says whether this process had everything that it needs to begin. Later failures do not change that, and
//! people read about them here: taking a task out of service heals no database.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hyper::StatusCode;
use serde_json::json;
use tokio::sync::watch;

use super::answer;
use crate::background::Loop;
use crate::config::stores;
use crate::data::database::Database;
use crate::data::schema::{self, Schema};
use crate::telemetry;

/// Whether the process is ready. It is set once and never taken back.
#[derive(Clone)]
pub struct Ready(Arc<watch::Sender<bool>>);

impl Ready {
    pub fn router(&self) -> Router {
        Router::new().route("/readyz", get(readyz)).with_state(self.clone())
    }

    /// Waits until the process is ready. `None` if it stops before.
    pub async fn wait(&self, this: &mut Loop) -> Option<()> {
        let mut ready = self.0.subscribe();
        while !*ready.borrow() {
            // The beats in between say that this loop is well.
            let waited = tokio::time::timeout(Duration::from_secs(10), ready.wait_for(|ready| *ready));
            let _ = this.unless_stopping(waited).await?;
        }
        Some(())
    }
}

impl Default for Ready {
    fn default() -> Self {
        Ready(Arc::new(watch::Sender::new(false)))
    }
}

/// Waits for the schema of a database. The owner of the database makes the schema first.
pub async fn schema(
    config: stores::Database,
    database: Arc<Database>,
    schema: &'static Schema,
    ready: Ready,
    mut this: Loop,
) {
    let mut told = String::new();
    while !this.is_stopping() {
        let done = this.unless_stopping(present(&config, &database, schema)).await;
        match done {
            None => return,
            Some(Ok(true)) => {
                telemetry::info("ready", &json!({}));
                ready.0.send_replace(true);
                break;
            }
            Some(Ok(false)) => {}
            Some(Err(error)) => {
                let message = format!("{error:#}");
                if message != told {
                    telemetry::warn("waiting_for_schema", &json!({ "message": message }));
                    told = message;
                }
            }
        }
        this.sleep(PAUSE).await;
    }
    while !this.is_stopping() {
        this.sleep(Duration::from_secs(30)).await;
    }
}

const PAUSE: Duration = Duration::from_millis(500);

async fn present(config: &stores::Database, database: &Database, schema: &Schema) -> anyhow::Result<bool> {
    if config.owner.is_some() {
        schema::migrate(config, schema).await?;
    }
    schema::is_present(&database.primary, schema).await
}

async fn readyz(State(ready): State<Ready>) -> Response {
    if *ready.0.borrow() {
        return answer::json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "waiting", "for": "the schema of the database" }))
}
