//! The role `notification`. It takes events from the queue, each once, and serves the drivers a feed of them: for
//! clients that ask, as a stream, or by webhook.

mod consumer;
mod feed;
mod message;
mod probes;
mod stream;
mod webhook;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::header::ACCEPT;
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use super::{SCHEMA, config, texts};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::database::Database;
use crate::events::consumer as queue;
use crate::http::client::Client;
use crate::http::edge::Caller;
use crate::http::ready::{self, Ready};
use crate::http::{answer, edge};
use crate::telemetry;

/// The state that the handlers and the loops share.
pub struct Service {
    database: Arc<Database>,
    /// The last id of the feed, as far as this process has seen it.
    last: watch::Sender<u64>,
    stopping: watch::Receiver<bool>,
    streams: Arc<Semaphore>,
}

/// The most streams at a time. The other connections are left for clients that ask.
pub const STREAMS: usize = 800;

/// The receivers of one task. The feed takes one batch after the other anyway; the second receiver fetches the next
/// batch meanwhile.
const RECEIVERS: usize = 2;

/// Gives the routes, and starts the loops beside them.
pub async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::Notification::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let service = Arc::new(Service {
        database: Arc::clone(&database),
        last: watch::Sender::new(0),
        stopping: background.stopping(),
        streams: Arc::new(Semaphore::new(STREAMS)),
    });
    let ready = Ready::default();
    background.spawn("schema", |this| ready::schema(config.database.clone(), database, SCHEMA, ready.clone(), this));
    background.spawn("feed", |this| feed::follow(Arc::clone(&service), ready.clone(), this));
    for _ in 0..RECEIVERS {
        let consumer = queue::Consumer::new(&config.queue, consumer::handler(&service)).await;
        background.spawn("consumer", |this| queue::run(consumer, ready.clone(), this));
    }
    for (driver, uri) in config.webhooks {
        let webhook = webhook::Webhook::new(&service, &config.database.name, driver, uri, Client::new()?);
        background.spawn("webhook", |this| webhook::run(webhook, ready.clone(), this));
    }
    let router = Router::new()
        .route("/", get(texts::hello_world))
        .route("/notifications", get(list))
        .route("/notifications/stream", get(streamed))
        .route("/notifications/probes/{name}", get(probed))
        .with_state(service)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    after: u64,
    limit: Option<u32>,
}

async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(range): Query<Range>,
    headers: HeaderMap,
) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/event-stream") {
        return stream::open(service, stream::cursor(&headers, range.after));
    }
    match feed::read(&service.database, range.after, range.limit.unwrap_or(feed::PAGE)).await {
        Ok(items) => {
            let items: Vec<String> = items.into_iter().map(|item| item.json).collect();
            answer::ready_made(StatusCode::OK, format!("[{}]", items.join(",")))
        }
        Err(error) => {
            caller.failed("read.failed", &error);
            edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "the feed cannot be read at the moment")
        }
    }
}

async fn streamed(State(service): State<Arc<Service>>, Query(range): Query<Range>, headers: HeaderMap) -> Response {
    stream::open(service, stream::cursor(&headers, range.after))
}

/// Tells a probe whether its event has come through the queue.
async fn probed(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Response {
    match probes::has_come(&service.database, &name).await {
        Ok(seen) => answer::json(StatusCode::OK, &json!({ "seen": seen })),
        Err(error) => {
            caller.failed("read.failed", &error);
            edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "nobody can say at the moment which probes have come")
        }
    }
}
