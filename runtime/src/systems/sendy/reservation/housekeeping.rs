//! The regular work of the schema's owner:
//!
//! - It counts the heartbeat up, by which readers see how far the replica is behind.
//! - It forgets old idempotency keys.
//! - It takes over what a task of the release before has left in its outbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::{Service, takeover};
use crate::background::Loop;
use crate::data::database::STATEMENT_TIMEOUT;
use crate::data::freshness;
use crate::events::outbox;
use crate::http::ready::Ready;
use crate::telemetry::metrics;

/// The time between two heartbeats. Readers know no more precisely than this how far the replica is behind.
const BEAT: Duration = Duration::from_millis(250);
const SWEEP: Duration = Duration::from_secs(60);
/// The longest time that an event of the release before waits in its outbox.
const TAKEOVER: Duration = Duration::from_secs(5);
/// The hours in which a client may send its request again.
pub const KEY_HOURS: u32 = 24;

/// Does the regular work. `schema` is the name of the database.
pub async fn run(service: Arc<Service>, schema: String, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let primary = &service.database.primary;
    let replicated = service.database.replica.is_some();
    let mut swept = Instant::now();
    let mut taken_over: Option<Instant> = None;
    while !this.is_stopping() {
        if replicated {
            // A primary that cannot be reached has nothing to count.
            let _ = tokio::time::timeout(STATEMENT_TIMEOUT, freshness::count_up(primary)).await;
        }
        if taken_over.is_none_or(|when| when.elapsed() > TAKEOVER) {
            taken_over = Some(Instant::now());
            if let Ok(Ok(true)) = tokio::time::timeout(STATEMENT_TIMEOUT, takeover::once(primary, &schema)).await {
                service.pending.wake();
            }
        }
        if swept.elapsed() > SWEEP {
            swept = Instant::now();
            let _ = tokio::time::timeout(STATEMENT_TIMEOUT, sweep(&service)).await;
        }
        this.sleep(BEAT).await;
    }
}

async fn sweep(service: &Service) -> anyhow::Result<()> {
    let mut connection = service.database.primary.connection().await?;
    let old = "DELETE FROM idempotency_keys WHERE created_at < NOW(3) - INTERVAL ? HOUR LIMIT 1000";
    connection.exec_drop(old, (KEY_HOURS,)).await?;
    metrics::gauge("OutboxDepth", outbox::depth(&mut connection).await?);
    Ok(())
}
