//! HTTP/1.1 on a loopback port. A request that is not let in gets 403 and one sentence.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::answer::{Dashboard, Query};
use super::guard::Guard;
use super::part;
use crate::supervisor::place::Place;

/// The files of the page.
pub(super) const PAGE: &[(&str, &str, &str)] = &[
    ("", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("map.js", "text/javascript; charset=utf-8", include_str!("page/map.js")),
    ("parts.js", "text/javascript; charset=utf-8", include_str!("page/parts.js")),
    ("logs.js", "text/javascript; charset=utf-8", include_str!("page/logs.js")),
    ("history.js", "text/javascript; charset=utf-8", include_str!("page/history.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Serves until a signal says stop.
pub fn run(state: &Path, port: &OsString) -> Result<()> {
    let port: u16 = port.to_str().and_then(|port| port.parse().ok()).context("no port")?;
    let place = Place::find(state)?;
    let guard = Arc::new(Guard { token: part::token(&place)?, port });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(2))
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let dashboard = Arc::new(Dashboard::new(place));
        let mut terminate = signal(SignalKind::terminate())?;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = look.tick() => {
                    let dashboard = dashboard.clone();
                    let _ = tokio::task::spawn_blocking(move || dashboard.follow()).await;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => connection(stream, &guard, &dashboard),
                    // No file descriptor is free. That does not last for ever.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
    })
}

/// The time between two looks at the chronicle, whether a page is open or not.
const LOOK: Duration = Duration::from_secs(2);

/// The content policy: nothing from elsewhere, nothing inside another page, and no script or style in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn connection(stream: tokio::net::TcpStream, guard: &Arc<Guard>, dashboard: &Arc<Dashboard>) {
    let _ = stream.set_nodelay(true);
    let (guard, dashboard) = (guard.clone(), dashboard.clone());
    let service = service_fn(move |request| {
        let (guard, dashboard) = (guard.clone(), dashboard.clone());
        async move { Ok::<_, Infallible>(answer(&guard, dashboard, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        // The client sent half a request, or closed the page. Nothing is to be done about it.
        let _ = connection.await;
    });
}

async fn answer(guard: &Guard, dashboard: Arc<Dashboard>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, _) = request.into_parts();
    let Some(path) = guard.inside(head.uri.path(), &head.headers) else {
        let why = "This page needs its whole address, with the token: `provision status --local` prints it.\n";
        return respond(403, "text/plain; charset=utf-8", why.to_owned());
    };
    let Some(what) = path.strip_prefix("api/") else {
        return match PAGE.iter().find(|(name, _, _)| *name == path) {
            Some((_, kind, text)) if head.method == Method::GET => respond(200, kind, (*text).to_owned()),
            Some(_) => refuse(405, "only GET"),
            None => refuse(404, "there is no such page"),
        };
    };
    let acts = head.method == Method::POST || what == "connection";
    if acts && !guard.may_change(&head.headers) {
        return refuse(403, "the header `x-provision-token` is missing, or not right");
    }
    if head.method != Method::GET && head.method != Method::POST {
        return refuse(405, "only GET and POST");
    }
    let (what, query) = (what.to_owned(), Query::parse(head.uri.query().unwrap_or_default()));
    // The answer may have to wait, for the supervisor or for a disk.
    let answered = tokio::task::spawn_blocking(move || match acts {
        true => dashboard.act(&what, &query),
        false => dashboard.look(&what, &query),
    });
    match answered.await {
        Ok(Some(Ok(value))) => respond(200, JSON, value.to_string()),
        Ok(Some(Err(error))) => refuse(400, &format!("{error:#}")),
        Ok(None) => refuse(404, "there is no such thing"),
        Err(_) => refuse(500, "this could not be answered; the dashboard's log says why"),
    }
}

const JSON: &str = "application/json";

fn refuse(status: u16, why: &str) -> Response<Full<Bytes>> {
    respond(status, JSON, json!({ "error": why }).to_string())
}

fn respond(status: u16, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The token is in the address, so the address must not be handed on.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
