//! The role `sale`: it sells one of a product, and orders more when nothing is left.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router, middleware};
use hyper::{HeaderMap, StatusCode};
use mysql_async::TxOpts;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{ORDER, TOPICS, texts};
use crate::config::Environment;
use crate::data::database::Database;
use crate::events::attributes::{Attribute, Attributes};
use crate::events::outbox::{self as effects, Publication};
use crate::events::{publish, sweep};
use crate::functions::outbox::{self, Publishing};
use crate::functions::{Function, http};
use crate::http::edge::Caller;
use crate::http::{answer, idempotency};
use crate::stock::product::{ORDERED, SHELF};
use crate::stock::purchases::{self, Answer, Once};
use crate::stock::{self, Decision, callback, orders, production, values};
use crate::telemetry::{self, metrics};

/// The topic of the orders, by the name that it has in the outbox.
pub const EMPTY_STOCK: &str = "empty-stock";
/// The attributes of an order.
pub const PRODUCT_ID: &str = "ProductId";
pub const FACTORY_ID: &str = "FactoryId";

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = Publishing::read(environment, "sale", TOPICS)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(outbox::sweep(&database, &config.database, &config.topics).await);
    sweep.in_passing().await;
    let router = Router::new()
        .route("/sale_api/send", post(sell))
        .with_state(database)
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found)
        .layer(middleware::from_fn_with_state(sweep, sweep::after));
    Ok(Function { error_type: "Sale.Failed", handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

/// A request, as a client sends it. All but the product is for the order, if one is needed.
#[derive(Debug, PartialEq)]
struct Sale {
    sku: String,
    factory: String,
    subject: Option<String>,
    message: String,
}

enum Outcome {
    Done(Answer),
    NoSuchProduct,
    /// Nothing is left, and SNS would refuse the order, in these words.
    NotOrdered(String),
}

async fn sell(
    State(database): State<Arc<Database>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(sale) = Sale::parse(&body) else { return answer::invalid_input(StatusCode::BAD_REQUEST) };
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let said =
        |answer: Answer| answer::message(StatusCode::OK, if answer.is_sold { texts::SOLD } else { texts::SHORT });
    let decide = || decide(&database, &sale, key, &caller);
    match purchases::once(&database, key, &digest(&sale), decide).await {
        Ok(Once::Now(Outcome::Done(answer))) => said(answer),
        Ok(Once::Replayed(answer)) => idempotency::replayed(said(answer)),
        Ok(Once::OtherRequest) => idempotency::other_request(),
        Ok(Once::Now(Outcome::NoSuchProduct)) => texts::no_product(),
        Ok(Once::Now(Outcome::NotOrdered(refusal))) => answer::message(StatusCode::BAD_REQUEST, &refusal),
        Err(error) => {
            caller.failed("sale.failed", &error);
            texts::no_database()
        }
    }
}

impl Sale {
    /// A text that is missing is empty: a sale does not need it.
    fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
        let text = |name: &str| match &body[name] {
            Value::Null => Some(String::new()),
            value => values::name(value).map(str::to_owned),
        };
        let message = match &body["message"] {
            Value::Null => "",
            message => message.as_str().filter(|message| message.len() <= LONGEST_MESSAGE)?,
        };
        Some(Sale {
            sku: text("MessageAttributeProductId")?,
            factory: text("MessageAttributeFactoryId")?,
            subject: body["subject"].as_str().map(str::to_owned),
            message: message.to_owned(),
        })
    }
}

/// In bytes. It is far below what a topic takes.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Sells or orders, in one transaction.
async fn decide(database: &Database, sale: &Sale, key: Option<&str>, caller: &Caller) -> anyhow::Result<Outcome> {
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let (answer, opened) = match stock::decide(&mut transaction, &SHELF, &sale.sku, 1).await? {
        Decision::NoSuchProduct => {
            transaction.rollback().await?;
            return Ok(Outcome::NoSuchProduct);
        }
        Decision::Sold(left) => (Answer { is_sold: true, left }, None),
        Decision::Short(product) => {
            let id = orders::new_id();
            // It is looked at before it is known whether an order is opened: the answer does not depend on who came first.
            if let Err(refusal) = publishable(sale) {
                transaction.rollback().await?;
                return Ok(Outcome::NotOrdered(refusal));
            }
            let is_opened = orders::open(&mut transaction, &SHELF, &id, &product.id, ORDERED, ORDER.requester).await?;
            if is_opened {
                let token = callback::give_token(&mut transaction, &id).await?;
                let [order, token] = production::attributes(&id, &token);
                let attributes = Attributes::new([
                    (PRODUCT_ID, Attribute::text(&sale.sku)),
                    (FACTORY_ID, Attribute::text(&sale.factory)),
                    order,
                    token,
                ])?;
                let row = Publication {
                    topic: EMPTY_STOCK,
                    subject: effects::Value::Text(&id),
                    version: 1,
                    message: effects::Value::Text(&texts::order_message(
                        &values::plain(&sale.message),
                        OffsetDateTime::now_utc(),
                    )),
                    title: sale.subject.as_deref(),
                    attributes: &attributes,
                    trace: &caller.trace,
                };
                effects::insert(&mut transaction, &[row.row()?]).await?;
            }
            (Answer { is_sold: false, left: product.left }, is_opened.then_some(id))
        }
    };
    purchases::keep(&mut transaction, key, &digest(sale), answer).await?;
    transaction.commit().await?;
    tell(sale, answer, opened.as_deref(), caller);
    Ok(Outcome::Done(answer))
}

/// Whether SNS would take an order with these texts. The error is SNS's.
fn publishable(sale: &Sale) -> Result<(), String> {
    let texts = [(PRODUCT_ID, Attribute::text(&sale.sku)), (FACTORY_ID, Attribute::text(&sale.factory))];
    Attributes::new(texts).map_err(|empty| empty.to_string())?;
    match &sale.subject {
        Some(subject) if !publish::is_subject(subject) => Err("Invalid parameter: Subject".to_owned()),
        _ => Ok(()),
    }
}

fn digest(sale: &Sale) -> [u8; 32] {
    let Sale { sku, factory, subject, message } = sale;
    purchases::digest(&[sku, factory, subject.as_deref().unwrap_or_default(), message], 1)
}

/// Logs a sale, or the request that has found nothing left.
fn tell(sale: &Sale, answer: Answer, opened: Option<&str>, caller: &Caller) {
    let (request_id, trace_id) = (&*caller.request_id, caller.trace.id());
    if answer.is_sold {
        metrics::count("Sold", 1);
        let line = json!({ "request_id": request_id, "trace_id": trace_id, "sku": sale.sku, "left": answer.left });
        return telemetry::info("product.sold", &line);
    }
    metrics::count("Missed", 1);
    metrics::count("Ordered", u64::from(opened.is_some()));
    let line = json!({
        "request_id": request_id, "trace_id": trace_id, "order_id": opened, "subject": sale.subject,
        "message": sale.message, "MessageAttributeProductId": sale.sku, "MessageAttributeFactoryId": sale.factory,
    });
    telemetry::info("stock.empty", &line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_needs_a_product_and_an_order_needs_more() {
        let parsed = |body: &str| Sale::parse(body.as_bytes());
        let bare = parsed("{\"MessageAttributeProductId\":\"CP-502101\"}").unwrap();
        assert_eq!(
            publishable(&bare).unwrap_err(),
            "The message attribute 'FactoryId' must contain non-empty message attribute value for message attribute type \
             'String'."
        );
        let whole = Sale { factory: "FF-500293".to_owned(), ..bare };
        publishable(&whole).unwrap();
        for subject in ["", "a\nb", &"부".repeat(100)] {
            let wrong = Sale {
                subject: Some((*subject).to_owned()),
                sku: "a".into(),
                factory: "b".into(),
                message: String::new(),
            };
            assert_eq!(publishable(&wrong).unwrap_err(), "Invalid parameter: Subject", "{subject:?}");
        }
        for wrong in ["", "[]", "\"x\"", "{\"MessageAttributeProductId\":5}", "{\"message\":{}}"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
