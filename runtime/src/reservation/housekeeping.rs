//! What the owner of the schema does now and then: counts the heartbeat up, by which readers see how far the replica is,
//! and forgets old idempotency keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::Service;
use crate::background::Loop;
use crate::database::STATEMENT_TIMEOUT;
use crate::metrics;
use crate::ready::Ready;

/// Between two heartbeats; readers know no more precisely than this how far the replica is behind.
const BEAT: Duration = Duration::from_millis(250);
const SWEEP: Duration = Duration::from_secs(60);
/// How long a client may take to send its request again.
pub const KEY_HOURS: u32 = 24;

pub async fn run(service: Arc<Service>, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let replicated = service.database.replica.is_some();
    let mut swept = Instant::now();
    while !this.is_stopping() {
        if replicated {
            // A primary that is away has nothing to count.
            let _ = tokio::time::timeout(
                STATEMENT_TIMEOUT,
                execute(&service, "UPDATE heartbeat SET beat = beat + 1 WHERE id = 1"),
            )
            .await;
        }
        if swept.elapsed() > SWEEP {
            swept = Instant::now();
            let _ = tokio::time::timeout(STATEMENT_TIMEOUT, sweep(&service)).await;
        }
        this.sleep(BEAT).await;
    }
}

async fn execute(service: &Service, sql: &str) -> anyhow::Result<()> {
    let mut connection = service.database.primary.connection().await?;
    Ok(connection.query_drop(sql).await?)
}

async fn sweep(service: &Service) -> anyhow::Result<()> {
    let mut connection = service.database.primary.connection().await?;
    let old = "DELETE FROM idempotency_keys WHERE created_at < NOW(3) - INTERVAL ? HOUR LIMIT 1000";
    connection.exec_drop(old, (KEY_HOURS,)).await?;
    let depth: Option<u64> = connection.query_first("SELECT COUNT(*) FROM outbox").await?;
    metrics::gauge("OutboxDepth", depth.unwrap_or_default());
    Ok(())
}
