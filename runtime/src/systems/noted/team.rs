//! The roles `ops` and `ad`: teams that count what they hear, and say it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::StatusCode;
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use serde_json::json;

use super::messages::Heard;
use super::texts;
use crate::config::stores;
use crate::config::{Environment, Telemetry, all_or_problems};
use crate::data::database::{self, Database};
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::{inbox, probe};
use crate::functions::{Function, Messages, either, http, queue};
use crate::http::answer;
use crate::http::edge::Caller;
use crate::telemetry::{self, metrics};

/// The function of a team. `name` is its role, its consumer in the inbox, and its path.
pub fn function(environment: &Environment, name: &'static str) -> anyhow::Result<Function> {
    let config = Config::read(environment, name)?;
    telemetry::init(&config.telemetry);
    let team = Arc::new(Team { name, database: Database::new(&config.database)? });
    let router = Router::new()
        .route(&format!("/{name}"), get(say))
        .with_state(Arc::clone(&team))
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found);
    let hear = move |envelope| {
        let team = Arc::clone(&team);
        Box::pin(async move { team.hear(&envelope).await }) as _
    };
    let requests = http::handle(router, StatusCode::BAD_REQUEST);
    let messages = queue::handle(Messages { at_a_time: 1, handle: Box::new(hear) });
    Ok(Function { error_type: "Team.Failed", handle: either(requests, messages) })
}

struct Config {
    database: stores::Database,
    telemetry: Telemetry,
}

struct Team {
    name: &'static str,
    database: Database,
}

/// How often a team has heard something on one day (UTC).
#[derive(Serialize)]
struct Counter {
    day: String,
    product: String,
    event: String,
    count: u64,
}

const COUNT: &str = "INSERT INTO counters (team, day, product, event, count) VALUES (?, UTC_DATE(), ?, ?, 1)
ON DUPLICATE KEY UPDATE count = count + 1";
/// The latest days first, and no more rows than fit into an answer.
const COUNTERS: &str = "SELECT DATE_FORMAT(day, '%Y-%m-%d'), product, event, count FROM counters WHERE team = ?
ORDER BY day DESC, product, event LIMIT 2000";

impl Config {
    fn read(environment: &Environment, role: &str) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Config {
            database: stores::Database::read(environment, &mut problems),
            telemetry: Telemetry::read(environment, role, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Team {
    async fn hear(&self, envelope: &Envelope) -> Verdict {
        if let Some(name) = probe::name(envelope) {
            probe::count(name);
            return Verdict::Done;
        }
        let heard = match Heard::parse(envelope) {
            Ok(heard) => heard,
            Err(error) => return Verdict::Poison(error),
        };
        match database::attempts(|| self.count(&heard)).await {
            Ok(is_new) => {
                metrics::count(if is_new { "Heard" } else { "Ignored" }, 1);
                let line = json!({ "event_id": heard.id, "heard": heard.event, "product": heard.product });
                telemetry::info(if is_new { "team.heard" } else { "team.heard_again" }, &line);
                Verdict::Done
            }
            Err(error) => {
                telemetry::error("team.failed", &json!({ "message": format!("{error:#}") }));
                Verdict::Retry(0)
            }
        }
    }

    /// Counts an event, unless it was counted before. The inbox and the counter change together.
    async fn count(&self, heard: &Heard) -> anyhow::Result<bool> {
        let mut connection = self.database.primary.connection().await?;
        let mut transaction = connection.start_transaction(TxOpts::default()).await?;
        if !inbox::is_new(&mut transaction, self.name, &heard.id).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.exec_drop(COUNT, (self.name, &heard.product, heard.event)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn counters(&self) -> anyhow::Result<Vec<Counter>> {
        let mut connection = self.database.primary.connection().await?;
        let row = |(day, product, event, count)| Counter { day, product, event, count };
        Ok(connection.exec_map(COUNTERS, (self.name,), row).await?)
    }
}

async fn say(State(team): State<Arc<Team>>, Extension(caller): Extension<Caller>) -> Response {
    match database::attempts(|| team.counters()).await {
        Ok(counters) => answer::json(StatusCode::OK, &counters),
        Err(error) => {
            caller.failed("counters.failed", &error);
            texts::no_database()
        }
    }
}
