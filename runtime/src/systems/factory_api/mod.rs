//! A factory that other systems order from: it takes a request, moves it through its steps, and calls back when it is done.
//!
//! [`requests`] takes what is to be produced, and answers with a job. [`lines`] moves the jobs on. [`callbacks`] posts each
//! request back, word for word, until somebody takes it. [`page`] shows the lines. [`docs`] is a role of its own, which
//! shows how to order.

mod callbacks;
mod config;
mod docs;
mod jobs;
mod lines;
mod page;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use super::{Role, Run, System};
use crate::background::Background;
use crate::config::{Environment, Serve};
use crate::data::database::Database;
use crate::data::schema::{Migration, Schema};
use crate::http::answer;
use crate::http::client::Client;
use crate::http::ready::{self, Ready};
use crate::telemetry;

pub const SYSTEM: System = System {
    name: "factory_api",
    databases: &[SCHEMA],
    roles: &[
        Role {
            name: "factory-api",
            run: Run::Server(|environment, background| Box::pin(serve(environment, background))),
        },
        Role { name: "factory-docs", run: Run::Server(|environment, _| Box::pin(async { docs::serve(environment) })) },
    ],
    probe: None,
};

const SCHEMA: &Schema = &Schema {
    name: "factory_api",
    migrations: &[Migration {
        version: 1,
        name: "jobs",
        sql: include_str!("../../../migrations/factory_api/1_jobs.sql"),
    }],
};

/// The state that the handlers and the loops share.
struct Factory {
    database: Arc<Database>,
    /// The time of a step.
    step: Duration,
    client: Client,
    /// Wakes the loops when there is something to do.
    news: tokio::sync::Notify,
}

async fn serve(environment: &Environment, background: &Background) -> anyhow::Result<(Serve, Router)> {
    let config = config::FactoryApi::read(environment)?;
    telemetry::init(&config.serve.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let factory = Arc::new(Factory {
        database: Arc::clone(&database),
        step: config.step,
        client: Client::within(config.reach)?,
        news: tokio::sync::Notify::new(),
    });
    let ready = Ready::default();
    background.spawn("schema", |this| ready::schema(config.database.clone(), database, SCHEMA, ready.clone(), this));
    background.spawn("lines", |this| lines::run(Arc::clone(&factory), ready.clone(), this));
    background.spawn("callbacks", |this| callbacks::run(Arc::clone(&factory), ready.clone(), this));
    let router = Router::new()
        .route("/api/manufactures", post(requests::take))
        // The API reference of the system before this one has it so.
        .route("/api/manufacture", post(requests::take))
        .route("/factory", get(page::show))
        .route("/factory/{job}", post(page::step))
        .with_state(factory)
        .merge(ready.router())
        .fallback(answer::nothing_here);
    Ok((config.serve, router))
}
