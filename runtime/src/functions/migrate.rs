//! The function that brings the schema of one database up to date, as its owner. It can be called as often as one likes.

use std::sync::Arc;

use serde_json::json;

use super::{Function, Invocation};
use crate::config;
use crate::data::schema::{self, Schema};
use crate::telemetry;

/// Makes the function. It answers with the name of the schema, its version, and the migrations that this call applied.
pub fn function(config: config::Migrate, schema: &'static Schema) -> Function {
    telemetry::init(&config.telemetry);
    let config = Arc::new(config);
    Function {
        error_type: "Migrate.Failed",
        handle: Box::new(move |invocation| Box::pin(answer(Arc::clone(&config), schema, invocation))),
    }
}

async fn answer(config: Arc<config::Migrate>, schema: &Schema, _: Invocation) -> anyhow::Result<Vec<u8>> {
    let applied = schema::migrate(&config.database, schema).await?;
    let applied: Vec<_> =
        applied.iter().map(|migration| json!({ "version": migration.version, "name": migration.name })).collect();
    let version = schema.migrations.last().map(|last| last.version);
    Ok(serde_json::to_vec(&json!({ "schema": schema.name, "version": version, "applied": applied }))?)
}
