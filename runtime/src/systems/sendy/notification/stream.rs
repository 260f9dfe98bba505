//! The feed as Server-Sent Events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream::unfold;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{Service, feed};
use crate::http::edge;

/// The time between two comments on a silent stream. Proxies close a connection that is silent for a minute.
pub const COMMENT_PERIOD: Duration = Duration::from_secs(25);

/// The id after which the stream begins: where a client was cut off, else where it asks to begin.
pub fn cursor(headers: &HeaderMap, after: u64) -> u64 {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
    last.unwrap_or(after)
}

/// Sends everything after the cursor, and then each new item, until the client goes or the process stops.
pub fn open(service: Arc<Service>, cursor: u64) -> Response {
    let Ok(permit) = Arc::clone(&service.streams).try_acquire_owned() else {
        return edge::refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many streams are open: ask for /notifications instead",
        );
    };
    let listener = Listener {
        last: service.last.subscribe(),
        stopping: service.stopping.clone(),
        service,
        cursor,
        silent: Instant::now(),
        greeted: false,
        _permit: permit,
    };
    let mut response = Response::new(Body::from_stream(unfold(listener, next)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The items of one read. A client that reads nothing keeps so many in memory, and there may be 800 such clients.
const PAGE: u32 = 40;
const RETRY: Duration = Duration::from_secs(1);

struct Listener {
    service: Arc<Service>,
    cursor: u64,
    last: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    silent: Instant,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

async fn next(mut listener: Listener) -> Option<(Result<Bytes, std::convert::Infallible>, Listener)> {
    if !listener.greeted {
        // This tells the client at once that it is connected, and when to come back.
        listener.greeted = true;
        return Some((Ok(Bytes::from_static(b"retry: 2000\n: connected\n\n")), listener));
    }
    loop {
        if *listener.stopping.borrow() {
            return None;
        }
        if *listener.last.borrow_and_update() > listener.cursor {
            match feed::read(&listener.service.database, listener.cursor, PAGE).await {
                Ok(items) if !items.is_empty() => {
                    listener.cursor = items.last().map_or(listener.cursor, |item| item.id);
                    listener.silent = Instant::now();
                    let events = items.iter().map(|item| format!("id: {}\ndata: {}\n\n", item.id, item.json));
                    return Some((Ok(events.collect::<String>().into()), listener));
                }
                // The replica is behind, or the database cannot be reached. The items are not lost.
                _ => tokio::time::sleep(RETRY).await,
            }
        }
        let silent_for_long = tokio::select! {
            _ = listener.last.wait_for(|last| *last > listener.cursor) => false,
            _ = listener.stopping.wait_for(|stopping| *stopping) => return None,
            () = tokio::time::sleep_until(listener.silent + COMMENT_PERIOD) => true,
        };
        if silent_for_long {
            listener.silent = Instant::now();
            return Some((Ok(Bytes::from_static(b": still here\n\n")), listener));
        }
    }
}
