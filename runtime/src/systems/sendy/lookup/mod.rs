//! The role `lookup`, which reads. It reads from the cache, else from the replica if that is fresh enough, else from
//! the primary.

mod lists;
mod rows;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Deserialize;

use self::lists::Ask;
use super::{NAMES, SCHEMA, config, reservation, texts};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::cache::{self, Cache};
use crate::data::database::{Database, Late, Server};
use crate::data::flight::Flights;
use crate::data::freshness::{self, Freshness};
use crate::http::answer;
use crate::http::edge::Caller;
use crate::http::ready::{self, Ready};
use crate::telemetry;

/// The header that says where an answer came from: `hit`, `miss`, or `bypass` if the cache could not be reached.
pub const X_CACHE: &str = "x-cache";

/// The state that the handlers and the loops share.
pub struct Service {
    database: Arc<Database>,
    cache: Arc<Cache>,
    freshness: Arc<Freshness>,
    rows: Flights<Option<Bytes>>,
    lists: Flights<Bytes>,
    stamps: lists::Stamps,
}

/// The source of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Cache,
    Database,
    /// The database, because the cache could not be reached.
    DatabaseAlone,
}

/// Gives the routes, and starts the loops beside them.
pub async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::Lookup::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let cache = Arc::new(Cache::new(&config.cache, NAMES)?);
    let freshness = Arc::new(Freshness::new(config.database.max_lag));
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        cache: Arc::clone(&cache),
        freshness: Arc::clone(&freshness),
        rows: Flights::default(),
        lists: Flights::default(),
        stamps: lists::Stamps::default(),
    });
    let ready = Ready::default();
    background.spawn("cache", |this| cache::connected(cache, this));
    background
        .spawn("schema", |this| ready::schema(config.database, Arc::clone(&database), SCHEMA, ready.clone(), this));
    background.spawn("freshness", |this| freshness::watch(freshness, database, ready.clone(), this));
    let router = Router::new()
        .route("/", get(texts::hello_world))
        .route("/reservations", get(list))
        .route("/reservations/{id}", get(one))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}

impl Service {
    /// The server to read from, if no fence says anything about the row. If the primary cannot be reached, it is the
    /// replica.
    fn reader(&self, replica_will_do: bool) -> &Server {
        match &self.database.replica {
            Some(replica) if replica_will_do && replica.is_up() => replica,
            Some(replica) if !self.database.primary.is_up() => replica,
            _ => &self.database.primary,
        }
    }

    fn other(&self, server: &Server) -> Option<&Server> {
        if std::ptr::eq(server, &self.database.primary) {
            self.database.replica.as_ref()
        } else {
            Some(&self.database.primary)
        }
    }
}

async fn one(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let Some(known) = reservation::id(&id) else { return texts::no_reservation(&id) };
    match rows::find(&service, known).await {
        Ok((Some(body), from)) => marked(answer::ready_made(StatusCode::OK, body), from),
        Ok((None, from)) => marked(texts::no_reservation(&id), from),
        Err(error) => failed(&caller, &error, &format!("Error retrieving Reservation with id {id}")),
    }
}

#[derive(Deserialize)]
struct Search {
    search: Option<String>,
    after: Option<i32>,
    limit: Option<u32>,
}

async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(search): Query<Search>,
) -> Response {
    let Search { search, after, limit } = search;
    let searched = search.is_some();
    let ask = Ask { term: search.unwrap_or_default().trim().to_owned(), after, limit };
    match lists::find(&service, ask).await {
        Ok((rows, from)) if searched => marked(answer::ready_made(StatusCode::OK, with_note(&rows, from)), from),
        Ok((rows, from)) => marked(answer::ready_made(StatusCode::OK, rows), from),
        Err(error) => failed(&caller, &error, "Some error occurred while retrieving reservations."),
    }
}

/// The rows with the note that a search has always been answered with.
fn with_note(rows: &[u8], from: From) -> Vec<u8> {
    let note: &[u8] = match from {
        From::Cache => b"data retrieved from the cache",
        From::Database | From::DatabaseAlone => b"cache miss",
    };
    [b"{\"jobs\":", rows, b",\"message\":\"", note, b"\"}"].concat()
}

fn marked(mut response: Response, from: From) -> Response {
    let mark = match from {
        From::Cache => "hit",
        From::Database => "miss",
        From::DatabaseAlone => "bypass",
    };
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(mark));
    response
}

fn failed(caller: &Caller, error: &anyhow::Error, message: &str) -> Response {
    caller.failed("read.failed", error);
    let status = match error.is::<Late>() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer::message(status, message)
}
