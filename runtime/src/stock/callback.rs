//! The callback of a factory: what was produced comes into the stock. It counts once, and only from whom we asked.
//!
//! Each order has a token. It stands in the query of the URL that the factory is to call back, so a factory that sends
//! nothing but the body shows it. The database keeps a digest of it. Whoever has the `admin-key` of the stack may credit
//! without an order.

use std::fmt::Write;

use anyhow::Context;
use axum::response::Response;
use hyper::{HeaderMap, StatusCode};
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts, Value};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Shelf, credits, orders};
use crate::config::stores::Secret;
use crate::config::{Environment, Telemetry, all_or_problems, stores};
use crate::data::database::{self, Database};
use crate::http::edge::Caller;
use crate::http::{answer, api_key, idempotency};
use crate::telemetry;

/// The parameter of the query that has the token.
pub const TOKEN: &str = "token";
/// The id of a factory's job. It does what an `Idempotency-Key` does.
const JOB_ID: &str = "x-job-id";

/// The configuration of a role that takes callbacks.
#[derive(Debug)]
pub struct Config {
    pub database: stores::Database,
    pub trust: Trust,
    pub telemetry: Telemetry,
}

/// Whose callbacks count.
#[derive(Debug)]
pub struct Trust {
    /// `ADMIN_KEY`.
    key: Secret,
    /// `CALLBACK_AUTH`: `required` (the default), or `original`, which takes all, as the systems before this one did.
    takes_all: bool,
}

/// What a factory says that it has produced.
pub struct Produced {
    /// The name of the product, as [`Shelf::name`] has it.
    pub product: String,
    pub quantity: u32,
}

pub enum Outcome {
    /// It is in the stock, now or since an earlier callback. The stock was this one then.
    Credited(i64),
    Unauthorized,
    /// The body, or the `Idempotency-Key`, is wrong.
    Invalid,
    /// There is no such product, or no room for so many.
    NoSuchProduct,
}

impl Config {
    pub fn read(environment: &Environment, role: &str) -> anyhow::Result<Self> {
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

/// Takes a callback: first who sends it is looked at, then what it says, then the product.
pub async fn take(
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

/// The answer to a callback that nobody is known to have asked for.
pub fn unauthorized() -> Response {
    answer::message(StatusCode::UNAUTHORIZED, "Unauthorized")
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
    let is_plain = (1..=255).contains(&job.len()) && job.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok(Some(job)) } else { Err(()) }
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
