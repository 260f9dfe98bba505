//! The part of a function, as a process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::asynchronous::Events;
use super::config::{Config, Source};
use super::failure::Outcome;
use super::pool::{Patience, Pool, Readiness};
use super::queue::Mapping;
use super::store::trace_id;
use super::{invoke, queue, runtime_api, schedule, table};
use crate::listen::{self, Answer, log};
use crate::messaging::new_id;

/// The time for events that processes have when the part is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// The time for what follows the last events. On this machine that is a request.
const LAST_DELETES: Duration = Duration::from_millis(50);
/// The time for their answers. A process that waits for an event keeps its connection open.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Serves a function until a signal says stop. If its first process cannot start, that is an error.
pub fn run(path: &Path, port: &str) -> Result<()> {
    let (config, port) = read(path, port)?;
    runtime()?.block_on(async {
        let pool = Pool::new(config, port);
        let mut term = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let events = Arc::new(Events::open(Arc::clone(&pool))?);
        // The stream of a table is read from this moment on, whatever happens before the first record.
        table::begin(&events.store, &pool.config.sources)?;
        pool.begin();
        tokio::spawn(Arc::clone(&events).run());
        for source in pool.config.sources.clone() {
            begin(&pool, &events, source);
        }
        let mut readiness = pool.readiness();
        let stop = async {
            tokio::select! {
                _ = term.recv() => {
                    pool.stop(DRAIN).await;
                    // Messages that were handled just now are deleted.
                    tokio::time::sleep(LAST_DELETES).await;
                    Ok(())
                }
                failed = readiness.wait_for(|readiness| matches!(readiness, Readiness::Failed(_))) => match failed.as_deref() {
                    Ok(Readiness::Failed(failure)) => bail!("the function did not start: {}", failure.text()),
                    _ => Ok(()),
                },
            }
        };
        serve(listener, &pool, &events, stop).await
    })
}

/// Invokes a function once, with an empty event, and ends. It is an error if the function fails.
pub fn run_once(path: &Path, port: &str) -> Result<()> {
    let (config, port) = read(path, port)?;
    runtime()?.block_on(async {
        let pool = Pool::new(config, port);
        let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let events = Arc::new(Events::open(Arc::clone(&pool))?);
        let mut term = signal(SignalKind::terminate())?;
        let stop = async {
            let (id, trace) = (new_id(), trace_id());
            let invoked = tokio::select! {
                invoked = pool.invoke(&id, "{}".into(), &trace, Patience::Waits) => invoked,
                _ = term.recv() => bail!("it was stopped before it was done"),
            };
            match invoked {
                Ok(Outcome::Answered(answer)) => {
                    log(&String::from_utf8_lossy(&answer));
                    Ok(())
                }
                Ok(Outcome::Failed(failure)) => bail!("{}", failure.text()),
                Err(_) => bail!("the function was not invoked"),
            }
        };
        serve(listener, &pool, &events, stop).await
    })
}

fn read(path: &Path, port: &str) -> Result<(Config, u16)> {
    let bytes = std::fs::read(path).with_context(|| format!("`{}`", path.display()))?;
    let config = Config::parse(&bytes).with_context(|| format!("`{}`", path.display()))?;
    Ok((config, port.parse().context("the port is not a number")?))
}

/// Everything happens on the main thread, because a process of the function ends with the thread that started it.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn begin(pool: &Arc<Pool>, events: &Arc<Events>, source: Source) {
    match source {
        Source::Queue { url, arn, batch, window_ms, most, partial } => {
            // A message that no process has room for is better off in the queue.
            let most = most.unwrap_or(u32::MAX).min(pool.config.processes) as usize;
            let window = Duration::from_millis(window_ms);
            let mapping = Mapping { url, arn, batch, window, most, is_partial: partial };
            tokio::spawn(queue::run(Arc::clone(pool), mapping));
        }
        Source::Table { url, table, batch, window_ms, retries, bisect, partial, from: _ } => {
            let window = Duration::from_millis(window_ms);
            let mapping = table::Mapping { url, table, batch, window, retries, bisect, is_partial: partial };
            tokio::spawn(table::run(Arc::clone(pool), Arc::clone(events), mapping));
        }
        Source::Schedule { arn, every_ms } => drop(tokio::spawn(schedule::run(Arc::clone(events), arn, every_ms))),
    }
}

async fn serve(
    listener: TcpListener,
    pool: &Arc<Pool>,
    events: &Arc<Events>,
    stop: impl Future<Output = Result<()>>,
) -> Result<()> {
    let mut result = Ok(());
    let stop = async { result = stop.await };
    let (pool, events) = (Arc::clone(pool), Arc::clone(events));
    // A process may handle an event for a quarter of an hour before it sends another request.
    let patience = listen::Patience { head: None, drain: LAST_ANSWERS };
    listen::serve(listener, patience, stop, move |request, _| {
        let (pool, events) = (Arc::clone(&pool), Arc::clone(&events));
        Box::pin(async move { answer(&pool, &events, request).await })
    })
    .await;
    result
}

async fn answer(pool: &Arc<Pool>, events: &Events, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix(&format!("/{}/", pool.config.name))
        && let Some((token, rest)) = rest.split_once('/')
    {
        return runtime_api::answer(pool, token, rest, request).await;
    }
    let invoked = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    match (request.method(), invoked, path.as_str()) {
        (&Method::POST, Some(name), _) => invoke::answer(pool, events, name, request).await,
        (&Method::GET, _, "/healthz") => match &*pool.readiness().borrow() {
            Readiness::Ready => listen::json(StatusCode::OK, &json!({ "status": "ok" })),
            _ => listen::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "starting" })),
        },
        // No page of another site can read this answer.
        (&Method::GET, _, "/counts") => {
            let mut counted = pool.counted();
            counted.accepted = events.store.count();
            counted.streams = table::read(&events.store);
            listen::json(StatusCode::OK, &json!(counted))
        }
        _ => listen::json(StatusCode::NOT_FOUND, &json!({ "message": "there is nothing of this name" })),
    }
}
