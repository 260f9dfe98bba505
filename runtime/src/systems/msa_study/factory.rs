//! The role `factory`: it logs what is produced, and publishes the delivery.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use hyper::{HeaderMap, StatusCode};
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::messages::Delivery;
use super::texts;
use super::values::{self, LARGEST_ORDER, Page};
use crate::config::Environment;
use crate::data::database::{self, Database};
use crate::events::attributes::{Attribute, Attributes};
use crate::events::outbox::{self as effects, Publication};
use crate::events::{probe, sweep};
use crate::functions::outbox::{self, Publishing, Topics};
use crate::functions::{Function, http};
use crate::http::edge::Caller;
use crate::http::{answer, idempotency};
use crate::stock::values as names;
use crate::telemetry::{self, metrics};

pub const TOPICS: Topics = Topics::One(DELIVERIES);
/// The topic of the deliveries, by the name that it has in the outbox.
const DELIVERIES: &str = "deliveries";

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = Publishing::read(environment, "factory", TOPICS)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(outbox::sweep(&database, &config.database, &config.topics).await);
    sweep.in_passing().await;
    let router = Router::new()
        .route("/log", get(list).post(produce))
        .with_state(database)
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found)
        .layer(middleware::from_fn_with_state(sweep, sweep::after));
    Ok(Function { error_type: "Factory.Failed", handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

/// A row of the log, as clients get it.
#[derive(Serialize)]
struct Log {
    log_id: i32,
    factory_id: i32,
    factory_name: String,
    item_id: i32,
    item_name: String,
    quantity: u32,
    requester: String,
    datetime: String,
}

/// What is to be produced, as a client asks for it.
#[derive(Clone, Debug, PartialEq)]
struct Production {
    requester: String,
    quantity: u32,
    item_id: i32,
    item_name: String,
    factory_id: i32,
    factory_name: String,
}

enum Outcome {
    Logged,
    /// This very request was answered before.
    Again,
    /// The key belongs to an earlier request with another content.
    OtherRequest,
}

const LIST: &str = "SELECT log_id, factory_id, factory_name, item_id, item_name, quantity, requester,
DATE_FORMAT(datetime, '%Y-%m-%dT%H:%i:%s.000Z') FROM logs WHERE log_id > ? ORDER BY log_id LIMIT ?";
const BEFORE: &str =
    "SELECT requester, quantity, item_id, item_name, factory_id, factory_name FROM logs WHERE order_id = ?";
const INSERT: &str = "INSERT INTO logs
(factory_id, factory_name, item_id, item_name, quantity, requester, datetime, order_id)
VALUES (?, ?, ?, ?, ?, ?, NOW(), ?)";

async fn list(
    State(database): State<Arc<Database>>,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Response {
    match database::attempts(|| logs(&database, &page)).await {
        Ok(logs) if logs.is_empty() && page.is_whole() => texts::bad_request(texts::NO_LOG),
        Ok(logs) => answer::json(StatusCode::OK, &logs),
        Err(error) => unavailable(&caller, "list.failed", &error),
    }
}

async fn produce(
    State(database): State<Arc<Database>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(name) = headers.get(probe::HEADER).and_then(|name| name.to_str().ok()).filter(|name| !name.is_empty()) {
        return probed(&database, name, &caller).await;
    }
    let Some(production) = Production::parse(&body) else { return answer::invalid_input(StatusCode::BAD_REQUEST) };
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let said = || answer::message(StatusCode::OK, &texts::logged(&production.item_name, production.quantity));
    match log_once(&database, &production, key, &caller).await {
        Ok(Outcome::Logged) => said(),
        Ok(Outcome::Again) => idempotency::replayed(said()),
        Ok(Outcome::OtherRequest) => idempotency::other_request(),
        Err(error) => unavailable(&caller, "produce.failed", &error),
    }
}

impl Production {
    fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let name = |key: &str| names::name(&body[key]).filter(|name| !name.is_empty()).map(str::to_owned);
        Some(Production {
            requester: name("requester")?,
            quantity: values::quantity(&body["quantity"], 1, LARGEST_ORDER)?,
            item_id: values::id(&body["item_id"])?,
            item_name: name("item_name")?,
            factory_id: values::id(&body["factory_id"])?,
            factory_name: name("factory_name")?,
        })
    }
}

async fn logs(database: &Database, page: &Page) -> anyhow::Result<Vec<Log>> {
    let mut connection = database.primary.connection().await?;
    let row = |(log_id, factory_id, factory_name, item_id, item_name, quantity, requester, datetime)| Log {
        log_id,
        factory_id,
        factory_name,
        item_id,
        item_name,
        quantity,
        requester,
        datetime,
    };
    Ok(connection.exec_map(LIST, (page.after(), page.limit()), row).await?)
}

/// Logs a production. Under one key that happens once.
async fn log_once(
    database: &Database,
    production: &Production,
    key: Option<&str>,
    caller: &Caller,
) -> anyhow::Result<Outcome> {
    // An insert that fails would use up the next id of the log, so the log is asked first.
    if let Some(outcome) = before(database, production, key).await? {
        return Ok(outcome);
    }
    match database::attempts(|| log(database, production, key, caller)).await {
        Ok(()) => Ok(Outcome::Logged),
        // The same request came twice at the same time, and the other was faster.
        Err(error) if database::refusal(&error) == Some(database::DUPLICATE) => {
            before(database, production, key).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

async fn before(database: &Database, production: &Production, key: Option<&str>) -> anyhow::Result<Option<Outcome>> {
    let Some(key) = key else { return Ok(None) };
    let found = database::attempts(|| async {
        let mut connection = database.primary.connection().await?;
        Ok(connection.exec_first(BEFORE, (key,)).await?)
    });
    let Some((requester, quantity, item_id, item_name, factory_id, factory_name)) = found.await? else {
        return Ok(None);
    };
    let before = Production { requester, quantity, item_id, item_name, factory_id, factory_name };
    Ok(Some(if before == *production { Outcome::Again } else { Outcome::OtherRequest }))
}

/// Commits the row of the log together with its delivery.
async fn log(database: &Database, production: &Production, key: Option<&str>, caller: &Caller) -> anyhow::Result<()> {
    let Production { requester, quantity, item_id, item_name, factory_id, factory_name } = production;
    let id = key.map_or_else(|| format!("{:032x}", fastrand::u128(..)), str::to_owned);
    let delivery = Delivery { id, item_id: *item_id, quantity: *quantity };
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let row = (factory_id, factory_name, item_id, item_name, quantity, requester, key);
    transaction.exec_drop(INSERT, row).await?;
    let log_id = transaction.last_insert_id();
    publish(&mut transaction, &delivery.id, &delivery.attributes()?, caller).await?;
    transaction.commit().await?;
    metrics::count("Produced", 1);
    let line = json!({
        "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "log_id": log_id, "order_id": delivery.id,
        "item_id": item_id, "quantity": quantity,
    });
    telemetry::info("production.logged", &line);
    Ok(())
}

async fn publish(
    transaction: &mut Transaction<'_>,
    subject: &str,
    attributes: &Attributes,
    caller: &Caller,
) -> anyhow::Result<()> {
    let row = Publication {
        topic: DELIVERIES,
        // The column is shorter than a key may be. Deliveries of one subject are published one after the other, and
        // nothing more hangs on it.
        subject: effects::Value::Text(&subject[..subject.len().min(200)]),
        version: 1,
        message: effects::Value::Text(&texts::delivery_message(OffsetDateTime::now_utc())),
        title: Some(texts::DELIVERY),
        attributes,
        trace: &caller.trace,
    };
    effects::insert(transaction, &[row.row()?]).await?;
    Ok(())
}

/// Counts the event of a probe, and passes it on. The log stays as it is.
async fn probed(database: &Database, name: &str, caller: &Caller) -> Response {
    probe::count(name);
    let passed_on = database::attempts(|| async {
        let attributes = Attributes::new([(probe::ATTRIBUTE, Attribute::text(name))])?;
        let mut connection = database.primary.connection().await?;
        let mut transaction = connection.start_transaction(TxOpts::default()).await?;
        publish(&mut transaction, "probe", &attributes, caller).await?;
        Ok(transaction.commit().await?)
    });
    match passed_on.await {
        Ok(()) => answer::message(StatusCode::OK, "probe"),
        Err(error) => unavailable(caller, "probe.failed", &error),
    }
}

fn unavailable(caller: &Caller, event: &str, error: &anyhow::Error) -> Response {
    caller.failed(event, error);
    texts::no_database()
}
