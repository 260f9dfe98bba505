//! HTTP/1.1 on one port: accept, bound what a connection may cost, and stop gracefully.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::background::Background;
use crate::config;
use crate::http::edge;
use crate::telemetry::{self, metrics};

/// More wait in the kernel's queue: a task must not run out of file descriptors.
pub const CONNECTIONS: usize = 1000;
/// hyper counts an idle connection as one that has not sent its next header. A load balancer keeps idle connections
/// for 60 s, and answers 502 when the server closes one first; hence more than that.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
pub const LARGEST_HEADER: usize = 64 * 1024;
/// ECS kills 30 s after SIGTERM; the loops need some of it after the requests.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT, and then until the requests in flight are answered or [`DRAIN_TIMEOUT`] is over. Then
/// the loops finish what they have in hand.
pub async fn run(serve: config::Serve, router: Router, background: Background) -> anyhow::Result<()> {
    let listen = serve.listen;
    // Before listening: whoever sees the port open may signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    telemetry::info("listening", &json!({ "address": listener.local_addr()?.to_string() }));

    background.spawn("metrics", metrics::every_minute);
    let router = router.route("/healthz", get(healthy).with_state(background.clone()));
    let router = edge::behind(router, serve.invalid_input);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let signal = loop {
        tokio::select! {
            (stream, permit) = accept(&listener, &free) => {
                converse(stream, permit, router.clone(), &graceful);
            }
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
        }
    };

    drop(listener);
    background.announce_stop();
    let open = || CONNECTIONS - free.available_permits();
    telemetry::info("stopping", &json!({ "signal": signal, "open_connections": open() }));
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    let stopped = |abandoned: usize| json!({ "signal": signal, "abandoned_connections": abandoned });
    match drained {
        Ok(()) => telemetry::info("stopped", &stopped(0)),
        // Whoever sends half a header and then nothing can bring this about: no reason to end as a failure.
        Err(_) => telemetry::warn("stopped", &stopped(open())),
    }
    background.stop().await;
    // What the loops did to the end.
    metrics::tell();
    Ok(())
}

/// The process and its loops, and nothing that it depends on: restarting a task heals no database.
async fn healthy(State(background): State<Background>) -> Response {
    let ill = background.ill();
    if ill.is_empty() {
        return Json(json!({ "status": "ok" })).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "ill", "loops": ill }))).into_response()
}

async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed, so that the error cannot happen; going round is right all the same.
        let Ok(permit) = Arc::clone(free).acquire_owned().await else {
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of descriptors, or a peer that was gone before it was accepted: neither ends the service.
                telemetry::warn("accept", &json!({ "message": error.to_string() }));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn converse(stream: TcpStream, permit: OwnedSemaphorePermit, router: Router, graceful: &GracefulShutdown) {
    // Small answers go out at once; failing to say so costs only latency.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The peer's doing: half a request, not HTTP, gone before the answer.
            telemetry::debug("connection", &json!({ "message": error.to_string() }));
        }
        drop(permit);
    });
}
