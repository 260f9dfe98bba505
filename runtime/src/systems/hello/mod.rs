//! The system `hello`, with the role `hello`. It answers every path, to prove that a stack serves.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use hyper::Uri;
use serde_json::{Value, json};

use super::{Role, Run, System};
use crate::config::{Environment, Serve};
use crate::telemetry;

pub const SYSTEM: System = System {
    name: "hello",
    databases: &[],
    roles: &[Role { name: "hello", run: Run::Server(|environment, _| Box::pin(async { start(environment) })) }],
    probe: None,
};

fn start(environment: &Environment) -> anyhow::Result<(Serve, Router)> {
    let config = Serve::read(environment, "hello")?;
    telemetry::init(&config.telemetry);
    let router = Router::new().fallback_service(get(hello).with_state(config.telemetry.service.clone()));
    Ok((config, router))
}

async fn hello(State(service): State<String>, uri: Uri) -> Json<Value> {
    Json(json!({ "message": "hello", "service": service, "path": uri.path() }))
}
