//! HTTP/1.1 on a loopback port. It finds the service that a request is for, and sends its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::sns::{self, Form};
use super::store::new_id;
use super::tables::is_for_tables;
use super::{Shared, now, sqs};

/// The largest body. A mebibyte of message may take six in JSON, if all of it is escapes, or in a form.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// The time between two requests of a connection. SDKs keep idle connections for less.
const HEADER_TIMEOUT: Duration = Duration::from_secs(120);
/// The time for answers under way when the service stops. The kernel's buffers take any answer at once.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until it is told to stop.
pub async fn run(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, &shared, &graceful),
                // No file descriptor is free, or the peer left before it was accepted.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            // The sender of this signal has told us to stop, or is gone.
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    shared.stop();
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
    shared.store().close();
}

fn serve(stream: TcpStream, shared: &Arc<Shared>, graceful: &GracefulShutdown) {
    let _ = stream.set_nodelay(true);
    let shared = Arc::clone(shared);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // The client sent half a request, or left before its answer. Nothing is to be done about it.
        let _ = connection.await;
    });
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.path() == "/healthz" {
        return respond(200, "application/json", "{\"status\":\"ok\"}".to_owned());
    }
    // This answer has only numbers, which no page of another site can read.
    if head.method == Method::GET && head.uri.path() == "/depths" {
        return respond(200, "application/json", json!(shared.depths()).to_string());
    }
    if is_for_tables(&head.headers) {
        return shared.door.forward(shared.tables(), head, body).await;
    }
    let target = header(&head.headers, "x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS."));
    // The header's value is not checked, but it must be there: no page in a browser can add it to a request to another
    // site.
    if !head.headers.contains_key(AUTHORIZATION) {
        let message = "Request is missing Authentication Token";
        return refuse(target.is_some(), 403, "MissingAuthenticationToken", message);
    }
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        return refuse(target.is_some(), 413, "RequestEntityTooLarge", "The request is too long, or broke off.");
    };
    let body = body.to_bytes();
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/declared") => return respond(200, "application/json", json!(shared.declared()).to_string()),
        (&Method::POST, "/declared") => return declare(shared, &body),
        _ => {}
    }

    if let Some(operation) = target {
        let host = header(&head.headers, HOST.as_str()).unwrap_or("localhost");
        let request = sqs::Request { body: &body, base: &format!("http://{host}") };
        let answer = sqs::answer(shared, operation, &request).await;
        let mut response = respond(answer.status, JSON, answer.body.to_string());
        if let Some(code) = answer.query_error.and_then(|code| code.parse().ok()) {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
        return response;
    }
    let form = Form::parse(&body);
    if form.get("Version") == Some(SQS_QUERY) {
        let message = "This endpoint speaks the JSON protocol of SQS, and this SDK an older one: a newer SDK does it.";
        return refuse(false, 400, "UnsupportedProtocol", message);
    }
    let (status, document) = sns::answer(&mut shared.store(), &form, now());
    // A message for functions may have come.
    shared.handing.notify_one();
    respond(status, "text/xml", document)
}

/// Takes another declaration, as a whole or not at all. The answer is the list of its problems.
fn declare(shared: &Shared, body: &[u8]) -> Response<Full<Bytes>> {
    let config = serde_json::from_slice(body).map_err(|error| vec![format!("it is not a declaration: {error}")]);
    let (status, problems) = match config.and_then(|config| shared.declare(&config)) {
        Ok(()) => (200, Vec::new()),
        Err(problems) => (400, problems),
    };
    respond(status, "application/json", json!(problems).to_string())
}

pub(super) const JSON: &str = "application/x-amz-json-1.0";
const SQS_QUERY: &str = "2012-11-05";

fn refuse(json: bool, status: u16, code: &'static str, message: &str) -> Response<Full<Bytes>> {
    if json {
        return respond(status, JSON, json!({ "__type": code, "message": message }).to_string());
    }
    respond(status, "text/xml", sns::refuse(code, message))
}

pub(super) fn respond(status: u16, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("a content type"));
    if let Ok(id) = new_id().parse() {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
