//! HTTP/1.1 on one port. The server accepts connections, bounds what each may cost, and stops gracefully.
//!
//! When all connections are taken, a new one gets the place of the one that has been silent longest. If every connection has a
//! request in it, the server answers the new one all the same, on one of a few spare places: `/healthz` with the truth, every other
//! path with 503. So clients that send nothing, or read nothing, do not starve the health check.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::background::Background;
use crate::config;
use crate::http::connection::{Connection, Progress, Stage};
use crate::http::edge;
use crate::http::in_flight::InFlight;
use crate::telemetry::{self, metrics};

/// The most connections at a time, so that a task does not run out of file descriptors.
pub const CONNECTIONS: usize = 1000;
/// Places for clients that come when all connections are taken.
pub const SPARE: usize = 16;
pub const LARGEST_HEADER: usize = 64 * 1024;
/// The time for the requests in flight after SIGTERM. ECS kills the task 30 s after SIGTERM, and the loops need some of
/// that after the requests.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// File descriptors that the process asks for. Each connection has one, and so has each connection to a store.
const DESCRIPTORS: u64 = 4096;

/// Serves until SIGTERM or SIGINT, and then until the requests in flight are answered or [`DRAIN_TIMEOUT`] is over. Then
/// the loops finish what they have in hand.
pub async fn run(serve: config::Serve, router: Router, background: Background) -> anyhow::Result<()> {
    raise_descriptors();
    let listen = serve.listen;
    // The signals are caught before the server listens: a caller that sees the port open may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    telemetry::info("listening", &json!({ "address": listener.local_addr()?.to_string() }));

    background.spawn("metrics", metrics::every_minute);
    let router = router.route(HEALTH, get(healthy).with_state(background.clone()));
    let router = edge::behind(router, serve.invalid_input);
    let mut places = Places::default();
    let in_flight = InFlight::default();
    let graceful = GracefulShutdown::new();
    let signal = loop {
        tokio::select! {
            stream = accept(&listener) => converse(stream, places.take(), router.clone(), in_flight.clone(), &graceful),
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
        }
    };

    drop(listener);
    background.announce_stop();
    telemetry::info("stopping", &json!({ "signal": signal, "open_connections": places.open() }));
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    let stopped = |abandoned: usize| json!({ "signal": signal, "abandoned_connections": abandoned });
    match drained {
        Ok(()) => telemetry::info("stopped", &stopped(0)),
        // A client that sends half a header and then nothing can cause this. So it is not a failure of the process.
        Err(_) => telemetry::warn("stopped", &stopped(places.open())),
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

/// Raises the number of file descriptors that this process may have. Many systems give a process 1,024 at first, and let it
/// ask for more.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        // If that is refused, `accept` tells when the descriptors run out.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // The process is out of file descriptors, or the peer left before it was accepted. Neither ends the
                // service.
                telemetry::warn("accept", &json!({ "message": error.to_string() }));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connections that there are.
#[derive(Default)]
struct Places {
    /// Those that have a place of the ordinary, and some that have gone.
    open: Vec<Weak<Open>>,
    /// Those that have a spare place, the oldest first, and some that have gone.
    spare: VecDeque<Weak<Open>>,
    taken: Arc<AtomicUsize>,
}

/// A connection that is open.
struct Open {
    progress: Arc<Progress>,
    /// Whether it only says that there is no room, or how the process is.
    is_spare: bool,
    /// Another one needs the place.
    leave: Notify,
    leaving: AtomicBool,
    taken: Arc<AtomicUsize>,
}

impl Places {
    /// A place for a new connection.
    fn take(&mut self) -> Arc<Open> {
        let full = self.taken.load(Ordering::Relaxed) >= CONNECTIONS;
        let is_spare = match full.then(|| self.silent()).flatten() {
            Some(silent) => {
                silent.leave();
                false
            }
            None => full,
        };
        let open = Arc::new(Open {
            progress: Progress::new(),
            is_spare,
            leave: Notify::new(),
            leaving: AtomicBool::new(false),
            taken: Arc::clone(&self.taken),
        });
        if is_spare {
            self.spare.retain(|open| open.strong_count() > 0);
            // Who has a spare place had time for one short answer when so many have come after.
            if self.spare.len() >= SPARE
                && let Some(oldest) = self.spare.pop_front().and_then(|oldest| oldest.upgrade())
            {
                oldest.leave();
            }
            self.spare.push_back(Arc::downgrade(&open));
        } else {
            self.taken.fetch_add(1, Ordering::Relaxed);
            if self.open.len() >= CONNECTIONS * 2 {
                self.open.retain(|open| open.strong_count() > 0);
            }
            self.open.push(Arc::downgrade(&open));
        }
        open
    }

    fn open(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The connection that has been silent longest, if one has been so for a while: in the middle of its headers, else idle.
    fn silent(&self) -> Option<Arc<Open>> {
        let since = |open: &Arc<Open>| match open.progress.stage() {
            Stage::Headers(since) => Some((0, since)),
            Stage::Idle(since) => Some((1, since)),
            Stage::Answering => None,
        };
        let open = self.open.iter().filter_map(Weak::upgrade).filter(|open| !open.leaving.load(Ordering::Relaxed));
        let silent = open.filter_map(|open| Some((since(&open)?, open)));
        let silent = silent.filter(|((_, since), _)| since.elapsed() > SILENT);
        silent.min_by_key(|(since, _)| *since).map(|(_, open)| open)
    }
}

impl Open {
    /// Makes the connection end, and gives its place away.
    fn leave(&self) {
        if !self.leaving.swap(true, Ordering::Relaxed) {
            self.give_back();
        }
        self.leave.notify_one();
    }

    fn give_back(&self) {
        if !self.is_spare {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.leaving.load(Ordering::Relaxed) {
            self.give_back();
        }
    }
}

/// Below this a connection is not silent, but on its way.
const SILENT: Duration = Duration::from_secs(1);

fn converse(stream: TcpStream, open: Arc<Open>, router: Router, in_flight: InFlight, graceful: &GracefulShutdown) {
    // Small answers go out at once; failing to say so costs only latency.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Connection::new(stream, &open.progress));
    let router = TowerToHyperService::new(router);
    let (progress, is_spare) = (Arc::clone(&open.progress), open.is_spare);
    let service = service_fn(move |request: Request<Incoming>| {
        let answering = progress.answer();
        let (router, in_flight) = (router.clone(), in_flight.clone());
        async move {
            let response = match is_spare && request.uri().path() != HEALTH {
                true => edge::refuse(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM),
                false => router.call(request).await?,
            };
            Ok::<_, Infallible>(in_flight.hold(response, answering))
        }
    });
    let connection = http1::Builder::new()
        // The stream has times of its own.
        .header_read_timeout(None)
        .keep_alive(!is_spare)
        .max_buf_size(LARGEST_HEADER)
        // What is queued, and not copied, is counted until it is written.
        .writev(true)
        .serve_connection(stream, service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let spare = async {
            match is_spare {
                true => tokio::time::sleep(SPARE_TIME).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                // The peer's doing: half a request, not HTTP, gone before the answer.
                telemetry::debug("connection", &json!({ "message": error.to_string() }));
            },
            () = open.leave.notified() => {}
            () = spare => {}
        }
    });
}

const HEALTH: &str = "/healthz";
const NO_ROOM: &str = "all connections are taken: ask again later";
/// A spare place is for one short answer.
const SPARE_TIME: Duration = Duration::from_secs(2);
