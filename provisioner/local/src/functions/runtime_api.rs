//! The Runtime API, as a process of a function calls it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;

use super::failure::{Failure, LARGEST_ANSWER};
use super::pool::Pool;
use crate::listen::{self, Answer};

/// A call of a process. Each has the place for what it is answered.
pub enum Call {
    Next(oneshot::Sender<Given>),
    Response { id: String, body: Result<Bytes, Failure>, taken: oneshot::Sender<bool> },
    Error { id: String, failure: Failure, taken: oneshot::Sender<bool> },
    InitError { failure: Failure, taken: oneshot::Sender<bool> },
}

/// An event for a process.
pub struct Given {
    pub id: String,
    pub event: Bytes,
    pub trace: String,
    pub deadline_ms: u64,
}

/// Answers a call. `rest` is the path behind the name and the token.
pub async fn answer(pool: &Arc<Pool>, token: &str, rest: &str, request: Request<Incoming>) -> Answer {
    let Some(process) = pool.process(token) else {
        return refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "this process was replaced");
    };
    let Some(rest) = rest.strip_prefix("2018-06-01/runtime/") else { return nothing_here() };
    let parts: Vec<&str> = rest.split('/').collect();
    match (request.method(), &parts[..]) {
        (&Method::GET, ["invocation", "next"]) => {
            let (sender, given) = oneshot::channel();
            let sent = process.send(Call::Next(sender)).await;
            match given.await {
                Ok(given) if sent.is_ok() => event(&pool.config.arn, given),
                _ => refuse(StatusCode::GONE, "InvalidStateTransition", "there is no event for this process"),
            }
        }
        (&Method::POST, ["invocation", id, "response"]) => {
            let id = (*id).to_owned();
            let body = match Limited::new(request.into_body(), LARGEST_ANSWER).collect().await {
                Ok(body) => Ok(body.to_bytes()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(()),
                // The process ended while it was answering.
                Err(_) => return refuse(StatusCode::BAD_REQUEST, "InvalidRequest", "the body broke off"),
            };
            let too_large = body.is_err();
            let body = body.map_err(|()| Failure::answer_too_large(LARGEST_ANSWER + 1));
            let (taken, is_taken) = oneshot::channel();
            let _ = process.send(Call::Response { id, body, taken }).await;
            match is_taken.await {
                Ok(true) if too_large => refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestEntityTooLarge",
                    &format!("Exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."),
                ),
                told => accepted(told),
            }
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let id = (*id).to_owned();
            let Some(failure) = failure(request).await else { return accepted(Ok(false)) };
            let (taken, is_taken) = oneshot::channel();
            let _ = process.send(Call::Error { id, failure, taken }).await;
            accepted(is_taken.await)
        }
        (&Method::POST, ["init", "error"]) => {
            let Some(failure) = failure(request).await else { return accepted(Ok(false)) };
            let (taken, is_taken) = oneshot::channel();
            let _ = process.send(Call::InitError { failure, taken }).await;
            accepted(is_taken.await)
        }
        _ => nothing_here(),
    }
}

fn event(arn: &str, given: Given) -> Answer {
    let mut response = listen::bytes(StatusCode::OK, given.event);
    for (name, value) in [
        ("lambda-runtime-aws-request-id", given.id),
        ("lambda-runtime-deadline-ms", given.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", arn.to_owned()),
        ("lambda-runtime-trace-id", given.trace),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The error that a process tells. If the body is empty, the header names the error.
async fn failure(request: Request<Incoming>) -> Option<Failure> {
    let header = request.headers().get("lambda-runtime-function-error-type");
    let kind = header.and_then(|kind| kind.to_str().ok()).unwrap_or("Unhandled").to_owned();
    let body = Limited::new(request.into_body(), LARGEST_ANSWER).collect().await.ok()?.to_bytes();
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(_) => Some(Failure(body)),
        Err(_) => Some(Failure::of(&kind, &String::from_utf8_lossy(&body))),
    }
}

fn accepted(taken: Result<bool, oneshot::error::RecvError>) -> Answer {
    match taken {
        Ok(true) => listen::json(StatusCode::ACCEPTED, &json!({ "status": "OK" })),
        _ => refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
    }
}

fn nothing_here() -> Answer {
    refuse(StatusCode::NOT_FOUND, "NotFound", "there is no such call")
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Answer {
    listen::json(status, &json!({ "errorType": kind, "errorMessage": message }))
}
