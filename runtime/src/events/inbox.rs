//! The inbox. An event that arrives twice is handled once, because its id is committed together with the work of the
//! handler.

use mysql_async::Transaction;
use mysql_async::prelude::Queryable;

use crate::data::database::{self, Server};

/// The SQL of the table, for the migrations of a system.
pub const TABLE: &str = include_str!("../../migrations/inbox.sql");

/// Whether the consumer sees this event for the first time. This is asked in the transaction of the handler. If the
/// transaction is rolled back, the event is new again. While another transaction has the event, this one waits for its
/// end.
///
/// `event` is an id that the publisher gives the event, of at most 255 bytes. The id of the message will not do: an
/// event that was published twice has two.
pub async fn is_new(transaction: &mut Transaction<'_>, consumer: &str, event: &str) -> anyhow::Result<bool> {
    // `INSERT IGNORE` would cut an id that is too long, and take it for another id.
    match transaction.exec_drop("INSERT INTO inbox (consumer, event) VALUES (?, ?)", (consumer, event)).await {
        Ok(()) => Ok(true),
        Err(error) if database::code(&error) == Some(database::DUPLICATE) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Forgets the events that were handled `days` days ago or earlier. A queue keeps a message for 14 days at most.
pub async fn sweep(server: &Server, days: u32) -> anyhow::Result<()> {
    let mut connection = server.connection().await?;
    let old = "DELETE FROM inbox WHERE created_at < NOW(3) - INTERVAL ? DAY LIMIT 1000";
    Ok(connection.exec_drop(old, (days,)).await?)
}
