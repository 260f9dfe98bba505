//! The role `reservation`: writes. A change, and what has to follow from it, are committed together; the relay does the
//! rest.

mod group_commit;
mod housekeeping;
mod outbox;
mod publish;
mod relay;
mod row;
mod write;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use hyper::{HeaderMap, StatusCode};

use self::group_commit::GroupCommit;
pub use self::row::{COLUMNS, Fields, LONGEST, Reservation, id};
use self::write::Outcome;
use crate::background::Background;
use crate::cache::{self, Cache};
use crate::database::Database;
use crate::edge::Caller;
use crate::ready::{self, Ready};
use crate::{answer, config};

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// On the answer to a request that was answered before.
pub const REPLAYED: &str = "idempotency-replayed";

/// What the handlers and the loops share.
pub struct Service {
    database: Arc<Database>,
    cache: Arc<Cache>,
    group_commit: Arc<GroupCommit>,
    invalid_input: StatusCode,
    pending: relay::Pending,
}

/// The routes; the loops are started beside them.
pub async fn start(config: config::Reservation, background: &Background) -> anyhow::Result<Router> {
    let database = Arc::new(Database::new(&config.database)?);
    let cache = Arc::new(Cache::new(&config.cache)?);
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        cache: Arc::clone(&cache),
        group_commit: GroupCommit::new(&database),
        invalid_input: config.serve.invalid_input,
        pending: relay::Pending::default(),
    });
    let publisher = publish::Publisher::new(&config.topic).await;
    let schema = &config.database.name;
    let to_topic = relay::Relay::new(&service, schema, relay::Effect::Publish(publisher));
    let to_cache = relay::Relay::new(&service, schema, relay::Effect::Invalidate);
    let ready = Ready::default();
    background.spawn("cache", |this| cache::connected(cache, this));
    background.spawn("schema", |this| ready::schema(config.database, database, ready.clone(), this));
    background.spawn("publish", |this| relay::run(to_topic, ready.clone(), this));
    background.spawn("invalidate", |this| relay::run(to_cache, ready.clone(), this));
    background.spawn("housekeeping", |this| housekeeping::run(Arc::clone(&service), ready.clone(), this));
    Ok(Router::new()
        .route("/", get(answer::hello_world))
        .route("/reservations", post(create))
        .route("/reservations/{id}", put(change).delete(remove))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here))
}

async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(fields) = Fields::parse(&body) else { return answer::invalid_input(service.invalid_input) };
    let key = match idempotency_key(&headers) {
        Ok(key) => key,
        Err(()) => {
            return answer::message(StatusCode::BAD_REQUEST, "Idempotency-Key is not 1 to 255 visible characters");
        }
    };
    match write::create(&service, &fields, key, &caller).await {
        Ok(Outcome::Done(reservation)) => answer::json(StatusCode::CREATED, &reservation),
        Ok(Outcome::Replayed(reservation)) => {
            let mut answer = answer::json(StatusCode::CREATED, &reservation);
            answer.headers_mut().insert(REPLAYED, hyper::header::HeaderValue::from_static("true"));
            answer
        }
        Ok(Outcome::OtherRequest) => {
            answer::message(StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key was used for another request")
        }
        Err(error) => unavailable(&caller, &error, "Some errors occured while creating the Reservation."),
    }
}

async fn change(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let Some(fields) = Fields::parse(&body) else { return answer::invalid_input(service.invalid_input) };
    let Some(known) = row::id(&id) else { return answer::no_reservation(&id) };
    match write::change(&service, known, &fields, &caller).await {
        Ok(Some(reservation)) => answer::json(StatusCode::OK, &reservation),
        Ok(None) => answer::no_reservation(&id),
        Err(error) => unavailable(&caller, &error, &format!("Error updating Reservation with id {id}")),
    }
}

async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let Some(known) = row::id(&id) else { return answer::no_reservation(&id) };
    match write::remove(&service, known, &caller).await {
        Ok(true) => answer::message(StatusCode::OK, "Reservation has been deleted successfully!"),
        Ok(false) => answer::no_reservation(&id),
        Err(error) => unavailable(&caller, &error, &format!("Could not delete Reservation with id {id}")),
    }
}

/// The caller may try again.
fn unavailable(caller: &Caller, error: &anyhow::Error, message: &str) -> Response {
    caller.failed("write.failed", error);
    answer::message(StatusCode::SERVICE_UNAVAILABLE, message)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().map_err(|_| ())?;
    if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Some(key))
    } else {
        Err(())
    }
}
