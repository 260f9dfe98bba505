//! The role `reservation`, which writes. A change and the effects that have to follow it are committed together. The
//! relay does the effects.

mod group_commit;
mod housekeeping;
mod outbox;
mod probed;
mod row;
mod takeover;
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
use super::{NAMES, SCHEMA, config, texts};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::cache::{self, Cache};
use crate::data::database::Database;
use crate::events::probe;
use crate::events::publish::Publisher;
use crate::events::relay::{self, Effect, Pending, Relay};
use crate::http::edge::Caller;
use crate::http::ready::{self, Ready};
use crate::http::{answer, idempotency};
use crate::telemetry;

/// The state that the handlers and the loops share.
pub struct Service {
    database: Arc<Database>,
    cache: Arc<Cache>,
    group_commit: Arc<GroupCommit>,
    invalid_input: StatusCode,
    pending: Arc<Pending>,
}

/// Gives the routes, and starts the loops beside them.
pub async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::Reservation::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let cache = Arc::new(Cache::new(&config.cache, NAMES)?);
    let pending = Arc::new(Pending::default());
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        cache: Arc::clone(&cache),
        group_commit: GroupCommit::new(&database),
        invalid_input: config.serve.invalid_input,
        pending: Arc::clone(&pending),
    });
    let schema = config.database.name.clone();
    let to_topic = Effect::Publish(Publisher::new(&config.topic).await);
    let to_topic = Relay::new(&database, &pending, &schema, outbox::TOPIC, to_topic);
    let to_cache = Effect::Invalidate(Arc::clone(&cache));
    let to_cache = Relay::new(&database, &pending, &schema, outbox::CACHE, to_cache);
    let ready = Ready::default();
    background.spawn("cache", |this| cache::connected(cache, this));
    background.spawn("schema", |this| ready::schema(config.database, database, SCHEMA, ready.clone(), this));
    background.spawn("publish", |this| relay::run(to_topic, ready.clone(), this));
    background.spawn("invalidate", |this| relay::run(to_cache, ready.clone(), this));
    background.spawn("housekeeping", |this| housekeeping::run(Arc::clone(&service), schema, ready.clone(), this));
    let router = Router::new()
        .route("/", get(texts::hello_world))
        .route("/reservations", post(create))
        .route("/reservations/{id}", put(change).delete(remove))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}

async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(name) = probe::asked(&headers) {
        return match probed::pass_on(&service, name, &caller).await {
            Ok(()) => answer::message(StatusCode::ACCEPTED, "probe"),
            Err(error) => unavailable(&caller, &error, "The event of the probe could not be stored."),
        };
    }
    let Some(fields) = Fields::parse(&body) else { return answer::invalid_input(service.invalid_input) };
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    match write::create(&service, &fields, key, &caller).await {
        Ok(Outcome::Done(reservation)) => answer::json(StatusCode::CREATED, &reservation),
        Ok(Outcome::Replayed(reservation)) => idempotency::replayed(answer::json(StatusCode::CREATED, &reservation)),
        Ok(Outcome::OtherRequest) => idempotency::other_request(),
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
    let Some(known) = row::id(&id) else { return texts::no_reservation(&id) };
    match write::change(&service, known, &fields, &caller).await {
        Ok(Some(reservation)) => answer::json(StatusCode::OK, &reservation),
        Ok(None) => texts::no_reservation(&id),
        Err(error) => unavailable(&caller, &error, &format!("Error updating Reservation with id {id}")),
    }
}

async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let Some(known) = row::id(&id) else { return texts::no_reservation(&id) };
    match write::remove(&service, known, &caller).await {
        Ok(true) => answer::message(StatusCode::OK, "Reservation has been deleted successfully!"),
        Ok(false) => texts::no_reservation(&id),
        Err(error) => unavailable(&caller, &error, &format!("Could not delete Reservation with id {id}")),
    }
}

/// The answer if the database cannot be reached. The caller may try again.
fn unavailable(caller: &Caller, error: &anyhow::Error, message: &str) -> Response {
    caller.failed("write.failed", error);
    answer::message(StatusCode::SERVICE_UNAVAILABLE, message)
}
