//! The role `point-increase`: it credits the points of each record, once.

use std::sync::Arc;

use anyhow::anyhow;
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::config;
use super::credit::Credit;
use crate::config::Environment;
use crate::data::database::{self, Database};
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::probe;
use crate::functions::{Function, Messages, queue};
use crate::telemetry::trace::{self, Trace};
use crate::telemetry::{self, metrics};

pub fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::PointIncrease::read(environment)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let handle = move |envelope| {
        let database = Arc::clone(&database);
        Box::pin(async move { take(&database, &envelope).await }) as _
    };
    Ok(Function {
        error_type: "PointIncrease.Failed",
        handle: queue::handle(Messages { at_a_time: 1, handle: Box::new(handle) }),
    })
}

enum Outcome {
    Credited,
    /// It was credited before.
    Before,
    NoSuchUser,
}

const CREDIT: &str = "UPDATE users SET total_point = total_point + ? WHERE id = ?";
const KEEP: &str = "INSERT INTO points (user_id, point, marathon_id, event) VALUES (?, ?, ?, ?)";

async fn take(database: &Database, envelope: &Envelope) -> Verdict {
    if let Some(name) = probe::name(envelope) {
        probe::count(name);
        return Verdict::Done;
    }
    let read = Credit::parse(&envelope.message).and_then(|credit| Ok((credit.event(&envelope.message_id)?, credit)));
    let (event, credit) = match read {
        Ok(read) => read,
        Err(error) => return Verdict::Poison(error),
    };
    let outcome = match database::attempts(|| apply(database, &credit, &event)).await {
        Err(error) if database::refusal(&error) == Some(database::DUPLICATE) => Ok(Outcome::Before),
        outcome => outcome,
    };
    match outcome {
        Ok(Outcome::NoSuchUser) => Verdict::Poison(anyhow!("there is no user {}", credit.user_id)),
        Ok(outcome) => {
            let is_new = matches!(outcome, Outcome::Credited);
            metrics::count(if is_new { "Credited" } else { "Ignored" }, 1);
            let trace = envelope.attributes.get(trace::HEADER).and_then(Trace::follow).map(|trace| trace.id());
            let line = json!({ "credited": event, "user_id": credit.user_id, "point": credit.marathon_point, "trace_id": trace });
            telemetry::info(if is_new { "points.credited" } else { "points.credited_before" }, &line);
            Verdict::Done
        }
        Err(error) => {
            telemetry::error("points.failed", &json!({ "credited": event, "message": format!("{error:#}") }));
            Verdict::Retry(0)
        }
    }
}

/// Credits in one transaction. The user's row is locked first, so that two credits of one user stand in a line. If the event
/// was credited before, the row cannot be kept, and all is rolled back with the connection's transaction.
async fn apply(database: &Database, credit: &Credit, event: &str) -> anyhow::Result<Outcome> {
    let Credit { user_id, marathon_id, marathon_point, record_id: _ } = credit;
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    transaction.exec_drop(CREDIT, (marathon_point, user_id)).await?;
    if transaction.affected_rows() == 0 {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchUser);
    }
    match transaction.exec_drop(KEEP, (user_id, marathon_point, marathon_id, event)).await {
        Ok(()) => {}
        Err(error) if database::code(&error) == Some(database::DUPLICATE) => {
            transaction.rollback().await?;
            return Ok(Outcome::Before);
        }
        Err(error) => return Err(error.into()),
    }
    transaction.commit().await?;
    Ok(Outcome::Credited)
}
