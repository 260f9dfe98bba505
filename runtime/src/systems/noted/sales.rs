//! The role `sales`: it shows the donut, sells it, and orders more when nothing is left.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use hyper::{HeaderMap, StatusCode};
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts, Value as Id};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::messages::{self, SOLD, STOCK_EMPTY};
use super::{ORDER, SKU, TOPICS, texts};
use crate::config::Environment;
use crate::data::database::{self, Database};
use crate::events::attributes::{Attributes, Empty};
use crate::events::outbox::{self as effects, Publication};
use crate::events::sweep;
use crate::functions::outbox::{self, Publishing};
use crate::functions::{Function, http};
use crate::http::edge::Caller;
use crate::http::{answer, idempotency};
use crate::stock::product::{ORDERED, SHELF, uuid};
use crate::stock::purchases::{self, Answer, Once};
use crate::stock::{self, Decision, callback, orders, production, values};
use crate::telemetry::{self, metrics};

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = Publishing::read(environment, "sales", TOPICS)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(outbox::sweep(&database, &config.database, &config.topics).await);
    sweep.in_passing().await;
    let router = Router::new()
        .route("/product/donut", get(show))
        .route("/checkout", post(check_out))
        .with_state(database)
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found)
        .layer(middleware::from_fn_with_state(sweep, sweep::after));
    Ok(Function { error_type: "Sales.Failed", handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

/// The product, as clients get it.
#[derive(Serialize)]
struct Donut {
    product_id: String,
    name: String,
    price: i32,
    stock: i32,
    #[serde(rename = "BIN_TO_UUID(factory_id)")]
    factory_id: String,
    #[serde(rename = "BIN_TO_UUID(ad_id)")]
    ad_id: String,
}

enum Outcome {
    Done(Answer),
    NoSuchProduct,
    /// Nothing is left, and SNS would refuse the order.
    NotOrdered(Empty),
}

const DONUT: &str = "SELECT product_id, name, price, stock, factory_id, ad_id FROM product WHERE sku = ?";

async fn show(State(database): State<Arc<Database>>, Extension(caller): Extension<Caller>) -> Response {
    let found = database::attempts(|| async {
        let mut connection = database.primary.connection().await?;
        let found: Option<(Id, String, i32, i32, Id, Id)> = connection.exec_first(DONUT, (SKU,)).await?;
        Ok(found)
    });
    match found.await {
        Ok(Some((id, name, price, stock, factory, ad))) => {
            let (product_id, factory_id, ad_id) = (uuid(&id), uuid(&factory), uuid(&ad));
            answer::json(StatusCode::OK, &Donut { product_id, name, price, stock, factory_id, ad_id })
        }
        Ok(None) => texts::no_product(),
        Err(error) => {
            caller.failed("show.failed", &error);
            texts::no_database()
        }
    }
}

async fn check_out(
    State(database): State<Arc<Database>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(factory) = factory(&body) else { return answer::invalid_input(StatusCode::BAD_REQUEST) };
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let said = |answer: Answer| {
        let text = if answer.is_sold { texts::sold(answer.left) } else { texts::short(answer.left) };
        answer::message(StatusCode::OK, &text)
    };
    let decide = || decide(&database, &factory, key, &caller);
    match purchases::once(&database, key, &digest(&factory), decide).await {
        Ok(Once::Now(Outcome::Done(answer))) => said(answer),
        Ok(Once::Replayed(answer)) => idempotency::replayed(said(answer)),
        Ok(Once::OtherRequest) => idempotency::other_request(),
        Ok(Once::Now(Outcome::NoSuchProduct)) => texts::no_product(),
        Ok(Once::Now(Outcome::NotOrdered(refusal))) => answer::message(StatusCode::BAD_REQUEST, &refusal.to_string()),
        Err(error) => {
            caller.failed("sale.failed", &error);
            texts::no_database()
        }
    }
}

/// The factory that a client names for an order. It may be missing as long as something is left. `None` if the body is
/// wrong.
fn factory(body: &[u8]) -> Option<String> {
    // A request without a body is one that names nothing.
    let body = if body.is_empty() { b"{}" } else { body };
    let body: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
    match &body[messages::FACTORY_ID] {
        Value::Null => Some(String::new()),
        factory => values::name(factory).map(str::to_owned),
    }
}

/// Sells or orders, in one transaction, together with the event.
async fn decide(database: &Database, factory: &str, key: Option<&str>, caller: &Caller) -> anyhow::Result<Outcome> {
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let now = OffsetDateTime::now_utc();
    let (answer, opened) = match stock::decide(&mut transaction, &SHELF, SKU, 1).await? {
        Decision::NoSuchProduct => {
            transaction.rollback().await?;
            return Ok(Outcome::NoSuchProduct);
        }
        Decision::Sold(left) => {
            let event = orders::new_id();
            let message = texts::sale_message(left, now);
            let attributes = messages::sale(&event, SKU)?;
            publish(&mut transaction, SOLD, (&event, &message, texts::SALE), &attributes, caller).await?;
            (Answer { is_sold: true, left }, None)
        }
        Decision::Short(product) => {
            let id = orders::new_id();
            let parts = (&*uuid(&product.id), SKU, factory);
            // The answer does not depend on who came first, so it is looked at before an order is opened.
            if let Err(refusal) = messages::order(&id, parts, []) {
                transaction.rollback().await?;
                return Ok(Outcome::NotOrdered(refusal));
            }
            let is_opened = orders::open(&mut transaction, &SHELF, &id, &product.id, ORDERED, ORDER.requester).await?;
            if is_opened {
                let token = callback::give_token(&mut transaction, &id).await?;
                let attributes = messages::order(&id, parts, production::attributes(&id, &token))?;
                let message = texts::order_message(now);
                publish(&mut transaction, STOCK_EMPTY, (&id, &message, texts::ORDER), &attributes, caller).await?;
            }
            (Answer { is_sold: false, left: product.left }, is_opened.then_some(id))
        }
    };
    purchases::keep(&mut transaction, key, &digest(factory), answer).await?;
    transaction.commit().await?;
    tell(answer, opened.as_deref(), caller);
    Ok(Outcome::Done(answer))
}

async fn publish(
    transaction: &mut Transaction<'_>,
    topic: &str,
    (subject, message, title): (&str, &str, &str),
    attributes: &Attributes,
    caller: &Caller,
) -> anyhow::Result<()> {
    let row = Publication {
        topic,
        subject: effects::Value::Text(subject),
        version: 1,
        message: effects::Value::Text(message),
        title: Some(title),
        attributes,
        trace: &caller.trace,
    };
    effects::insert(transaction, &[row.row()?]).await?;
    Ok(())
}

fn digest(factory: &str) -> [u8; 32] {
    purchases::digest(&[SKU, factory], 1)
}

fn tell(answer: Answer, opened: Option<&str>, caller: &Caller) {
    metrics::count(if answer.is_sold { "Sold" } else { "Missed" }, 1);
    metrics::count("Ordered", u64::from(opened.is_some()));
    let line = json!({
        "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "sku": SKU, "left": answer.left,
        "order_id": opened,
    });
    telemetry::info(if answer.is_sold { "product.sold" } else { "stock.empty" }, &line);
}
