//! The role `stock-increase`: the factory calls it back, and what was produced comes into the stock.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use hyper::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{SKU, texts};
use crate::config::Environment;
use crate::data::database::Database;
use crate::functions::{Function, http};
use crate::http::answer;
use crate::http::edge::Caller;
use crate::stock::callback::{self, Config, Outcome, Produced, Trust};
use crate::stock::{product, values};
use crate::telemetry;

/// The path under which the factory calls back.
pub const PATH: &str = "/product/donut";

pub fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = Config::read(environment, "stock-increase")?;
    telemetry::init(&config.telemetry);
    let database = Database::new(&config.database)?;
    let router = Router::new()
        .route(PATH, post(credit))
        .with_state(Arc::new(Stock { database, trust: config.trust }))
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found);
    Ok(Function { error_type: "StockIncrease.Failed", handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

struct Stock {
    database: Database,
    trust: Trust,
}

async fn credit(
    State(stock): State<Arc<Stock>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sender = (query.as_deref(), &headers);
    match callback::take(&stock.database, &product::SHELF, &stock.trust, sender, produced(&body), &caller).await {
        Ok(Outcome::Credited(left)) => answer::message(StatusCode::OK, &texts::credited(left)),
        Ok(Outcome::Unauthorized) => callback::unauthorized(),
        Ok(Outcome::Invalid) => answer::invalid_input(StatusCode::BAD_REQUEST),
        Ok(Outcome::NoSuchProduct) => texts::no_product(),
        Err(error) => {
            caller.failed("credit.failed", &error);
            texts::no_database()
        }
    }
}

/// The path names the product, so the body need not.
fn produced(body: &[u8]) -> Option<Produced> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let product = match &body["MessageAttributeProductId"] {
        Value::Null => SKU,
        product => values::name(product)?,
    };
    let quantity = values::count(&body["MessageAttributeProductCnt"])?;
    Some(Produced { product: product.to_owned(), quantity })
}
