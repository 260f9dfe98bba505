//! The role `delivery`: it takes deliveries from the queue into the stock, each once.

use std::sync::Arc;

use anyhow::anyhow;
use mysql_async::TxOpts;
use serde_json::json;

use super::config;
use super::messages::Delivery;
use super::shop::SHELF;
use crate::config::Environment;
use crate::data::database::{self, Database};
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::{inbox, probe};
use crate::functions::{Function, Messages, queue};
use crate::stock::{self, orders};
use crate::telemetry::trace::{self, Trace};
use crate::telemetry::{self, metrics};

pub fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::Delivery::read(environment)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let handle = move |envelope| {
        let database = Arc::clone(&database);
        Box::pin(async move { handle(&database, &envelope).await }) as _
    };
    Ok(Function {
        error_type: "Delivery.NotApplied",
        handle: queue::handle(Messages { at_a_time: 1, handle: Box::new(handle) }),
    })
}

/// The name of the consumer in the inbox. Its rows are never forgotten, as the orders are not: an event that is repeated
/// after a year, from a dead-letter queue or by hand, still counts once.
const CONSUMER: &str = "delivery";
enum Outcome {
    Credited,
    /// It was credited before.
    Again,
    NoSuchItem,
}

async fn handle(database: &Database, envelope: &Envelope) -> Verdict {
    if let Some(name) = probe::name(envelope) {
        probe::count(name);
        return Verdict::Done;
    }
    let delivery = match Delivery::parse(envelope) {
        Ok(delivery) => delivery,
        Err(error) => return Verdict::Poison(error),
    };
    let trace = envelope.attributes.get(trace::HEADER).and_then(Trace::follow);
    let line = json!({
        "order_id": delivery.id, "item_id": delivery.item_id, "quantity": delivery.quantity,
        "trace_id": trace.map(|trace| trace.id()),
    });
    match database::attempts(|| credit(database, &delivery)).await {
        Ok(Outcome::Credited) => {
            metrics::count("Delivered", 1);
            telemetry::info("delivery.credited", &line);
            Verdict::Done
        }
        Ok(Outcome::Again) => {
            metrics::count("Ignored", 1);
            telemetry::info("delivery.again", &line);
            Verdict::Done
        }
        Ok(Outcome::NoSuchItem) => Verdict::Poison(anyhow!("no item {} that has room for it", delivery.item_id)),
        Err(error) => {
            telemetry::error("delivery.failed", &json!({ "message": format!("{error:#}") }));
            Verdict::Retry(0)
        }
    }
}

/// Credits a delivery. The inbox, the stock and the order change together.
async fn credit(database: &Database, delivery: &Delivery) -> anyhow::Result<Outcome> {
    let Delivery { id, item_id, quantity } = delivery;
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    if !inbox::is_new(&mut transaction, CONSUMER, id).await? {
        transaction.rollback().await?;
        return Ok(Outcome::Again);
    }
    if stock::put(&mut transaction, &SHELF, &item_id.into(), *quantity).await?.is_none() {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchItem);
    }
    orders::close(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(Outcome::Credited)
}
