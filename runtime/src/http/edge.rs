//! The layers that every request of every role passes on its way in and out: its id, its limits, its line in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::answer;
use crate::telemetry::trace::{self, Trace};
use crate::telemetry::{self, metrics};

pub const LARGEST_BODY: usize = 1024 * 1024;
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of a handler. It is below the 60 s after which a load balancer gives up and answers 504 itself.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a path in a line of the log.
const LONGEST_PATH: usize = 1024;
/// Seconds until a request that was refused for want of room may come again.
const AGAIN: HeaderValue = HeaderValue::from_static("1");
const TOO_LARGE: &str = "the body is larger than 1 MiB";
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who sent a request, for a handler to log and to pass on.
#[derive(Clone)]
pub struct Caller {
    pub request_id: Arc<str>,
    pub trace: Trace,
}

impl Caller {
    /// Logs why a request failed. The reason is for the log only; the caller gets a sentence.
    pub fn failed(&self, event: &str, error: &anyhow::Error) {
        let (request_id, trace_id) = (&*self.request_id, self.trace.id());
        let line = json!({ "request_id": request_id, "trace_id": trace_id, "message": format!("{error:#}") });
        telemetry::error(event, &line);
    }
}

/// Puts the layers around the routes.
pub fn behind(router: Router, invalid_input: StatusCode) -> Router {
    router.layer(axum::middleware::from_fn_with_state(invalid_input, edge))
}

async fn edge(State(invalid_input): State<StatusCode>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id: Arc<str> = request_id(request.headers()).into();
    let header = request.headers().get(trace::HEADER).and_then(|header| header.to_str().ok());
    let trace = header.and_then(Trace::follow).unwrap_or_else(Trace::begin);
    request.extensions_mut().insert(Caller { request_id: Arc::clone(&id), trace });
    let method = request.method().to_string();
    // Only the path is logged: people put tokens into the query.
    let path = shortened(request.uri().path());

    let mut response = match limited(request, next).await {
        Ok(response) => in_our_words(response, invalid_input),
        Err((status, message)) => refuse(status, message),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    say_when(&mut response);

    let latency = started.elapsed();
    let failed = response.status().is_server_error();
    metrics::request(latency, failed);
    let line = Line {
        request_id: &id,
        trace_id: trace.id(),
        method: &method,
        path: &path,
        status: response.status().as_u16(),
        latency_ms: (latency.as_secs_f64() * 1e6).round() / 1e3,
    };
    if failed {
        telemetry::error("request", &line);
    } else {
        telemetry::info("request", &line);
    }
    response
}

/// Rewrites a refusal of the web framework into the form that the handlers use, because clients read `message` of every
/// answer. The handlers refuse in JSON, so a refusal that is not JSON is the framework's.
fn in_our_words(response: Response, invalid_input: StatusCode) -> Response {
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !response.status().is_client_error() || is_json {
        return response;
    }
    let mut told = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => refuse(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method"),
        StatusCode::PAYLOAD_TOO_LARGE => refuse(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE),
        // The query, a part of the path or the body cannot be read.
        _ => answer::invalid_input(invalid_input),
    };
    if let Some(methods) = response.headers().get(ALLOW) {
        told.headers_mut().insert(ALLOW, methods.clone());
    }
    told
}

/// A refusal that the contract of the system before us does not know. Its body is
/// `{"message", "error": {"code", "message"}}`.
pub fn refuse(status: StatusCode, message: &str) -> Response {
    let mut response = (status, Json(refusal(status, message))).into_response();
    say_when(&mut response);
    response
}

/// Adds to a 503 when the client may ask again.
fn say_when(response: &mut Response) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(RETRY_AFTER).or_insert(AGAIN);
    }
}

/// The body of a refusal.
pub(super) fn refusal(status: StatusCode, message: &str) -> Value {
    let code = status.canonical_reason().unwrap_or("Error");
    let code = code.to_ascii_lowercase().replace(' ', "_");
    json!({ "message": message, "error": { "code": code, "message": message } })
}

#[derive(Serialize)]
struct Line<'a> {
    request_id: &'a str,
    trace_id: String,
    method: &'a str,
    path: &'a str,
    status: u16,
    latency_ms: f64,
}

/// The whole body is read before the handler runs, so that size and time are bounded here, for every handler.
async fn limited(mut request: Request, next: Next) -> Result<Response, (StatusCode, &'static str)> {
    if !request.body().is_end_stream() {
        let (parts, body) = request.into_parts();
        let read = tokio::time::timeout(BODY_TIMEOUT, read(body)).await;
        let body = read.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))??;
        request = Request::from_parts(parts, Body::from(body));
    }
    tokio::time::timeout(HANDLER_TIMEOUT, next.run(request))
        .await
        .map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "no answer in time"))
}

async fn read(body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE);
    // A body that itself says that it is too large is refused without waiting for it.
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large);
    }
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large),
        Err(_) => Err((StatusCode::BAD_REQUEST, "the body broke off")),
    }
}

/// A path as the log has it.
fn shortened(path: &str) -> String {
    match path.len() > LONGEST_PATH {
        // A path is ASCII: everything else is encoded in it.
        true => format!("{}…", &path[..path.floor_char_boundary(LONGEST_PATH)]),
        false => path.to_owned(),
    }
}

/// The caller's id, if it can safely be logged and returned, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/".contains(&b))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    match given.filter(plain) {
        Some(id) => id.to_owned(),
        // An id must be unique. It may be easy to guess.
        None => format!("{:032x}", fastrand::u128(..)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        for (given, kept) in [
            ("abc-123", true),
            ("Root=1-67891233-abcdef012345678912345678", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            (&"x".repeat(129), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, given.parse().unwrap());
            let id = request_id(&headers);
            assert_eq!(id == given, kept, "{given:?} became {id:?}");
        }
        let made = [request_id(&HeaderMap::new()), request_id(&HeaderMap::new())];
        assert_ne!(made[0], made[1]);
        assert_eq!(made[0].len(), 32);
    }
}
