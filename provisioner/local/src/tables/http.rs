//! HTTP/1.1 on a loopback port: requests of SDKs, and the questions that the rest of the stack has.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::refusal::{self, Answer, Refusal};
use super::{Shared, answer};
use crate::listen::{self, NoBody, Patience};

/// The largest body: AWS's requests are of 16 MiB.
pub const LARGEST_BODY: usize = 16 << 20;
/// SDKs keep idle connections for less.
const PATIENCE: Patience = Patience { head: Some(Duration::from_secs(120)), drain: Duration::from_secs(1) };

/// Serves until it is told to stop.
pub async fn run(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    // The sender of this signal has told us to stop, or is gone.
    let stopped = async move { drop(stop.changed().await) };
    let answering = Arc::clone(&shared);
    listen::serve(listener, PATIENCE, stopped, move |request, _| {
        let shared = Arc::clone(&answering);
        Box::pin(async move { answer(&shared, request).await })
    })
    .await;
    shared.close();
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/healthz") => return listen::json(StatusCode::OK, &json!({ "status": "ok" })),
        (&Method::GET, "/") => {
            return refusal::text(200, &format!("healthy: dynamodb.{}.amazonaws.com ", shared.place().region));
        }
        // The engine refuses a request that is not signed. A page in a browser can add no target to a request to another
        // site, because nobody answers here what it asks before.
        (&Method::POST, "/") => {}
        // The header's value is not checked, but it must be there: no page in a browser can add it either.
        (&Method::GET | &Method::POST, "/declared" | "/counts" | "/behind") => {
            if !head.headers.contains_key(AUTHORIZATION) {
                return refusal::respond(403, &json!({ "message": "the header `Authorization` is missing" }));
            }
        }
        _ => return refusal::text(404, "<UnknownOperationException/>\n"),
    }
    let body = match listen::body(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(NoBody::TooLong) => return too_long(),
        Err(NoBody::BrokeOff) => return Refusal::validation("The request broke off.").answer(),
    };
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/declared") => told(shared.declared()),
        (&Method::POST, "/declared") => declare(shared, body).await,
        (&Method::GET, "/counts") => counted(shared, Shared::counted).await,
        (&Method::GET, "/behind") => {
            let query = head.uri.query().unwrap_or_default().to_owned();
            counted(shared, move |shared| shared.behind(&query)).await
        }
        _ => answer::answer(shared, &head, body).await,
    }
}

fn told<T: serde::Serialize>(answer: anyhow::Result<T>) -> Answer {
    match answer {
        Ok(answer) => listen::json(StatusCode::OK, &json!(answer)),
        Err(error) => listen::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": format!("{error:#}") })),
    }
}

/// Counts beside other answers: there may be millions.
async fn counted<T: serde::Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    count: impl FnOnce(&Shared) -> anyhow::Result<T> + Send + 'static,
) -> Answer {
    let shared = Arc::clone(shared);
    let counted = tokio::task::spawn_blocking(move || count(&shared)).await;
    told(counted.unwrap_or_else(|error| Err(error.into())))
}

/// Takes another declaration, as a whole or not at all. The answer is the list of its problems.
async fn declare(shared: &Arc<Shared>, body: Bytes) -> Answer {
    let shared = Arc::clone(shared);
    // An index over many items is not made in a moment.
    let declared = tokio::task::spawn_blocking(move || {
        let config =
            serde_json::from_slice(&body).map_err(|error| vec![format!("it is not a declaration: {error}")])?;
        shared.declare(&config)
    });
    match declared.await {
        Ok(Ok(())) => listen::json(StatusCode::OK, &json!([])),
        Ok(Err(problems)) => listen::json(StatusCode::BAD_REQUEST, &json!(problems)),
        Err(_) => listen::json(StatusCode::INTERNAL_SERVER_ERROR, &json!(["the engine of the tables failed"])),
    }
}

fn too_long() -> Answer {
    let message = "Request size exceeded 16777216 bytes";
    refusal::respond(
        413,
        &json!({ "__type": "com.amazon.coral.service#RequestEntityTooLargeException", "message": message }),
    )
}
