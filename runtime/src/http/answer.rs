//! The answers that the services of a stack have in common. Existing clients rely on their texts.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::json;

use super::edge;

pub fn message(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, Json(value)).into_response()
}

/// An answer whose JSON is there already, as bytes.
pub fn ready_made(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer to a request that is wrong.
pub fn invalid_input(status: StatusCode) -> Response {
    message(status, "Invalid input")
}

pub async fn nothing_here() -> Response {
    edge::refuse(StatusCode::NOT_FOUND, "there is nothing under this path")
}
