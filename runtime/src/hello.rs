//! The role `hello`: answers every path, to prove that a stack serves.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use hyper::Uri;
use serde_json::{Value, json};

pub fn router(service: &str) -> Router {
    Router::new().fallback_service(get(hello).with_state(service.to_owned()))
}

async fn hello(State(service): State<String>, uri: Uri) -> Json<Value> {
    Json(json!({ "message": "hello", "service": service, "path": uri.path() }))
}
