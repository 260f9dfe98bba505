//! HTTP/1.1 on one port. The server accepts connections, bounds what each may cost, and stops gracefully.

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

/// The most connections at a time, so that a task does not run out of file descriptors. Further ones wait in the
/// kernel's queue.
pub const CONNECTIONS: usize = 1000;
/// The time for a client to send the header of a request. hyper counts an idle connection as one that has not sent its
/// next header. A load balancer keeps idle connections for 60 s, and answers 502 if the server closes one first. Hence
/// the time is longer than that.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
pub const LARGEST_HEADER: usize = 64 * 1024;
/// The time for the requests in flight after SIGTERM. ECS kills the task 30 s after SIGTERM, and the loops need some of
/// that after the requests.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT, and then until the requests in flight are answered or [`DRAIN_TIMEOUT`] is over. Then
/// the loops finish what they have in hand.
pub async fn run(serve: config::Serve, router: Router, background: Background) -> anyhow::Result<()> {
    let listen = serve.listen;
    // The signals are caught before the server listens: a caller that sees the port open may send a signal at once.
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
        // A client that sends half a header and then nothing can cause this. So it is not a failure of the process.
        Err(_) => telemetry::warn("stopped", &stopped(open())),
    }
    background.stop().await;
    // This tells what the loops did to the end.
    metrics::tell();
    Ok(())
}

/// Answers whether the process and its loops are well. Databases and the like are not asked: restarting a task does not
/// heal them.
async fn healthy(State(background): State<Background>) -> Response {
    let ill = background.ill();
    if ill.is_empty() {
        return Json(json!({ "status": "ok" })).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "ill", "loops": ill }))).into_response()
}

async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed, so this error cannot happen. If it did, the next turn of the loop would be
        // right.
        let Ok(permit) = Arc::clone(free).acquire_owned().await else {
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // The process is out of file descriptors, or the peer left before it was accepted. Neither ends the
                // service.
                telemetry::warn("accept", &json!({ "message": error.to_string() }));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn converse(stream: TcpStream, permit: OwnedSemaphorePermit, router: Router, graceful: &GracefulShutdown) {
    // Small answers go out at once. If this fails, it costs only latency.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The peer caused this: half a request, not HTTP, gone before the answer.
            telemetry::debug("connection", &json!({ "message": error.to_string() }));
        }
        drop(permit);
    });
}
