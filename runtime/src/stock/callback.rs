//! The callback of a factory: what was produced comes into the stock. It counts once, and only from whom we asked.
//!
//! Each order has a token. It stands in the query of the URL that the factory is to call back, so a factory that sends
//! nothing but the body shows it. The database keeps a digest of it. Whoever has the `admin-key` of the stack may credit
//! without an order.

use std::fmt::Write;
use std::future::Ready;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use hyper::{HeaderMap, StatusCode};
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts, Value};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::product::SHELF;
use super::{Shelf, credits, orders};
use crate::config::stores::Secret;
use crate::config::{Environment, Telemetry, all_or_problems, stores};
use crate::data::database::{self, Database};
use crate::functions::{Function, http};
use crate::http::edge::Caller;
use crate::http::{answer, api_key, idempotency};
use crate::telemetry;

/// The parameter of the query that has the token.
pub const TOKEN: &str = "token";
/// The id of a factory's job. It does what an `Idempotency-Key` does.
const JOB_ID: &str = "x-job-id";

/// How a system takes callbacks.
pub struct Form {
    pub role: &'static str,
    /// The `errorType` of an event that was not handled.
    pub error_type: &'static str,
    pub path: &'static str,
    /// Reads a body. `None` if it is wrong.
    pub produced: fn(&[u8]) -> Option<Produced>,
    /// The text for a callback that is credited, with the stock that it has left.
    pub credited: fn(i64) -> String,
    pub no_product: fn() -> Response,
    pub no_database: fn() -> Response,
    pub not_found: fn() -> Ready<Response>,
}

/// The configuration of a role that takes callbacks.
#[derive(Debug)]
struct Config {
    database: stores::Database,
    trust: Trust,
    telemetry: Telemetry,
}

/// Whose callbacks count.
#[derive(Debug)]
struct Trust {
    /// `ADMIN_KEY`.
    key: Secret,
    /// `CALLBACK_AUTH`: `required` (the default), or `original`, which takes all, as the systems before this one did.
    takes_all: bool,
}

/// The product and the quantity that a factory says to have produced.
pub struct Produced {
    /// The name of the product, as [`Shelf::name`] has it.
    pub product: String,
    pub quantity: u32,
}

enum Outcome {
    /// It is in the stock, now or since an earlier callback. The stock was this one then.
    Credited(i64),
    Unauthorized,
    /// The body, or the `Idempotency-Key`, is wrong.
    Invalid,
    /// There is no such product, or no room for so many.
    NoSuchProduct,
}

impl Config {
    fn read(environment: &Environment, role: &str) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let takes_all = match environment.get("CALLBACK_AUTH").unwrap_or("required") {
            "required" => false,
            "original" => true,
            _ => {
                problems.push("CALLBACK_AUTH is not `required` or `original`".to_owned());
                false
            }
        };
        let config = Config {
            database: stores::Database::read(environment, &mut problems),
            trust: Trust { key: Secret(environment.required("ADMIN_KEY", &mut problems)), takes_all },
            telemetry: Telemetry::read(environment, role, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

/// A token for an order that is open in this transaction.
pub async fn give_token(transaction: &mut Transaction<'_>, order: &str) -> anyhow::Result<String> {
    let mut random = [0; 16];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut random).ok().context("the system gives no random bytes")?;
    let token = random.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    });
    transaction.exec_drop("UPDATE orders SET token = ? WHERE order_id = ?", (digest(&token), order)).await?;
    Ok(token)
}

/// The function of a role that takes callbacks.
pub fn function(environment: &Environment, form: &'static Form) -> anyhow::Result<Function> {
    let config = Config::read(environment, form.role)?;
    telemetry::init(&config.telemetry);
    let database = Database::new(&config.database)?;
    let router = Router::new()
        .route(form.path, post(credited))
        .with_state(Arc::new(Taking { database, trust: config.trust, form }))
        .fallback(form.not_found)
        .method_not_allowed_fallback(form.not_found);
    Ok(Function { error_type: form.error_type, handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

struct Taking {
    database: Database,
    trust: Trust,
    form: &'static Form,
}

async fn credited(
    State(taking): State<Arc<Taking>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Taking { database, trust, form } = &*taking;
    let produced = (form.produced)(&body);
    match take(database, &SHELF, trust, (query.as_deref(), &headers), produced, &caller).await {
        Ok(Outcome::Credited(left)) => answer::message(StatusCode::OK, &(form.credited)(left)),
        Ok(Outcome::Unauthorized) => answer::message(StatusCode::UNAUTHORIZED, "Unauthorized"),
        Ok(Outcome::Invalid) => answer::invalid_input(StatusCode::BAD_REQUEST),
        Ok(Outcome::NoSuchProduct) => (form.no_product)(),
        Err(error) => {
            caller.failed("credit.failed", &error);
            (form.no_database)()
        }
    }
}

/// Takes a callback: first who sends it is looked at, then what it says, then the product.
async fn take(
    database: &Database,
    shelf: &Shelf,
    trust: &Trust,
    (query, headers): (Option<&str>, &HeaderMap),
    produced: Option<Produced>,
    caller: &Caller,
) -> anyhow::Result<Outcome> {
    let order = match token(query) {
        Some(token) => database::attempts(|| ordered(database, shelf, token)).await?,
        None => None,
    };
    if order.is_none() && !trust.takes_all && !api_key::is_shown(headers, &trust.key) {
        return Ok(Outcome::Unauthorized);
    }
    let Some(produced) = produced else { return Ok(Outcome::Invalid) };
    let name = match (&order, job(headers)) {
        (Some(order), _) => Some(format!("order:{}", order.id)),
        (None, Ok(job)) => job.map(|job| format!("key:{job}")),
        (None, Err(())) => return Ok(Outcome::Invalid),
    };
    let credited = database::attempts(|| credit(database, shelf, order.as_ref(), name.as_deref(), &produced)).await;
    let outcome = match (credited, name) {
        // Two callbacks with one key, for two products, came at the same time, and the other was faster.
        (Err(error), Some(name)) if database::refusal(&error) == Some(database::DUPLICATE) => {
            let mut connection = database.primary.connection().await?;
            let told = credits::before(&mut *connection, &name).await?;
            Outcome::Credited(told.ok_or(error)?)
        }
        (outcome, _) => outcome?,
    };
    if let Outcome::Credited(left) = outcome {
        let line = json!({
            "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "product": produced.product,
            "quantity": produced.quantity, "left": left, "order_id": order.map(|order| order.id),
        });
        telemetry::info("stock.credited", &line);
    }
    Ok(outcome)
}

struct Ordered {
    id: String,
    product: Value,
}

/// The order that a token stands for.
async fn ordered(database: &Database, shelf: &Shelf, token: &str) -> anyhow::Result<Option<Ordered>> {
    let sql = format!("SELECT order_id, {} FROM orders WHERE token = ?", shelf.id);
    let mut connection = database.primary.connection().await?;
    let found: Option<(String, Value)> = connection.exec_first(sql, (digest(token),)).await?;
    Ok(found.map(|(id, product)| Ordered { id, product }))
}

/// Credits what was produced. The stock, the order and the credit change together.
async fn credit(
    database: &Database,
    shelf: &Shelf,
    order: Option<&Ordered>,
    name: Option<&str>,
    produced: &Produced,
) -> anyhow::Result<Outcome> {
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let Some(product) = super::lock(&mut transaction, shelf, &produced.product).await? else {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchProduct);
    };
    // A token is good for its own order, and for no other product.
    if order.is_some_and(|order| order.product != product.id) {
        transaction.rollback().await?;
        return Ok(Outcome::Unauthorized);
    }
    // The product is locked, so a callback that came at the same time is over.
    if let Some(name) = name
        && let Some(told) = credits::before(&mut transaction, name).await?
    {
        transaction.rollback().await?;
        return Ok(Outcome::Credited(told));
    }
    let Some(left) = super::put(&mut transaction, shelf, &product.id, produced.quantity).await? else {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchProduct);
    };
    if let Some(name) = name {
        credits::keep(&mut transaction, name, left).await?;
    }
    if let Some(order) = order {
        orders::close(&mut transaction, &order.id).await?;
    }
    transaction.commit().await?;
    Ok(Outcome::Credited(left))
}

fn token(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix(TOKEN)?.strip_prefix('='))
}

/// The name that the sender gives to a callback, if it gives one.
fn job(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    if let Some(key) = idempotency::key(headers).map_err(|_| ())? {
        return Ok(Some(key));
    }
    let Some(job) = headers.get(JOB_ID) else { return Ok(None) };
    let job = job.to_str().map_err(|_| ())?;
    if idempotency::is_key(job) { Ok(Some(job)) } else { Err(()) }
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_in_any_query() {
        assert_eq!(token(Some("token=ab")), Some("ab"));
        assert_eq!(token(Some("a=b&token=ab&c")), Some("ab"));
        for none in [None, Some(""), Some("tokens=ab"), Some("x-token=ab"), Some("a=token=b")] {
            assert_eq!(token(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_job_has_the_name_of_one_of_two_headers() {
        let of = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            job(&map).map(|job| job.map(str::to_owned))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("x-job-id", "7")]), Ok(Some("7".to_owned())));
        assert_eq!(of(&[("idempotency-key", "8"), ("x-job-id", "7")]), Ok(Some("8".to_owned())));
        assert_eq!(of(&[("x-job-id", "a b")]), Err(()));
        assert_eq!(of(&[("idempotency-key", "a b")]), Err(()));
    }
}
