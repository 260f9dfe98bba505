//! Takes over the outbox of the release before. That is the table `outbox`, which knows reservations only. Tasks of
//! that release may run beside this one for a while, and do the effects that they put there. The rows that they leave
//! behind go into the outbox of this release.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, TxOpts};
use serde_json::json;

use super::outbox::{CACHE, TOPIC};
use crate::data::database::{self, Server};
use crate::telemetry;

/// Moves the rows, unless a task of the release before is working on them. Whether anything was moved.
pub async fn once(primary: &Server, schema: &str) -> anyhow::Result<bool> {
    let mut connection = primary.connection().await?;
    let waiting: Option<u64> = connection.query_first("SELECT id FROM outbox LIMIT 1").await?;
    drop(connection);
    if waiting.is_none() {
        return Ok(false);
    }
    // This is the lock under which that release publishes. It ends with the session.
    let lock = database::lock_name(schema, "relay.publish");
    let Some(mut connection) = primary.locked_session(&lock, 0, SESSION).await? else { return Ok(false) };
    let moved = move_rows(&mut connection).await;
    let _ = connection.disconnect().await;
    let moved = moved?;
    telemetry::info("outbox.taken_over", &json!({ "effects": moved }));
    Ok(moved > 0)
}

/// The seconds that the lock outlives a task that vanished.
const SESSION: u32 = 20;
const SELECT: &str = "SELECT id FROM outbox ORDER BY id LIMIT 1000";

async fn move_rows(connection: &mut Conn) -> anyhow::Result<usize> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let ids: Vec<u64> = transaction.query(SELECT).await?;
    if !ids.is_empty() {
        // The rows are deleted by their ids: a row that is committed meanwhile must not be deleted without having been
        // moved.
        let these: Vec<String> = ids.iter().map(u64::to_string).collect();
        let these = these.join(", ");
        let insert = format!(
            "INSERT INTO effects (effect, target, subject, version, message, traceparent, created_at) \
             SELECT effect, IF(effect = 'publish', '{TOPIC}', '{CACHE}'), reservation_id, version, event, traceparent, \
             created_at FROM outbox WHERE id IN ({these}) ORDER BY id"
        );
        transaction.query_drop(insert).await?;
        transaction.query_drop(format!("DELETE FROM outbox WHERE id IN ({these})")).await?;
    }
    transaction.commit().await?;
    Ok(ids.len())
}
