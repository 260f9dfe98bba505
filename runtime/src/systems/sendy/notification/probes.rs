//! The probes whose event has come through the queue. They are in a table of their own, and not in the feed.

use anyhow::Context;
use mysql_async::prelude::Queryable;

use crate::data::database::{Database, READ_TIMEOUT, STATEMENT_TIMEOUT};
use crate::events::probe;

/// Counts the events of probes. A probe can ask for a day whether its event has come.
pub async fn count(database: &Database, names: &[&str]) -> anyhow::Result<()> {
    let kept = async {
        let mut connection = database.primary.connection().await?;
        connection.exec_batch(INSERT, names.iter().map(|name| (probe::kept(name),))).await?;
        connection.query_drop(FORGET).await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(STATEMENT_TIMEOUT, kept).await.context("no answer from the database")??;
    for name in names {
        probe::count(name);
    }
    Ok(())
}

/// Whether the event of the probe has come.
pub async fn has_come(database: &Database, name: &str) -> anyhow::Result<bool> {
    let asked = async {
        let mut connection = database.primary.connection().await?;
        let found: Option<u8> = connection.exec_first(SELECT, (probe::kept(name),)).await?;
        anyhow::Ok(found.is_some())
    };
    database.primary.within(READ_TIMEOUT, asked).await
}

/// The queue may deliver an event twice.
const INSERT: &str = "INSERT INTO probes (name) VALUES (?) ON DUPLICATE KEY UPDATE name = name";
const SELECT: &str = "SELECT 1 FROM probes WHERE name = ?";
const FORGET: &str = "DELETE FROM probes WHERE created_at < NOW(3) - INTERVAL 1 DAY LIMIT 1000";
