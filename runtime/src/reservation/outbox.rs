//! The outbox: what has to follow from a change, committed with it.

use std::time::SystemTime;

use mysql_async::Transaction;
use mysql_async::prelude::Queryable;
use serde::Serialize;

use super::Reservation;
use crate::trace::Trace;

/// What happened to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Created,
    Changed,
    Deleted,
}

/// The message that subscribers of the topic get.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event: &'static str,
    reservation_id: i32,
    /// Of the row, after the change. Whoever knows a later one ignores this event.
    version: u32,
    action: &'static str,
    /// Milliseconds since 1970.
    dtm: u64,
    reservation: Option<&'a Reservation>,
    traceparent: &'a str,
}

impl Change {
    pub fn event(self) -> &'static str {
        match self {
            Change::Created => "reservation.created",
            Change::Changed => "reservation.changed",
            Change::Deleted => "reservation.deleted",
        }
    }

    fn action(self) -> &'static str {
        match self {
            Change::Created => "Reservations: OK",
            Change::Changed => "Reservations: Changed",
            Change::Deleted => "Reservations: Deleted",
        }
    }
}

/// Gives the id of the invalidation, for whoever does it right after the commit.
pub async fn append(
    transaction: &mut Transaction<'_>,
    change: Change,
    id: i32,
    version: u32,
    reservation: Option<&Reservation>,
    trace: &Trace,
) -> anyhow::Result<u64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let traceparent = trace.to_string();
    let event = serde_json::to_string(&Event {
        event: change.event(),
        reservation_id: id,
        version,
        action: change.action(),
        dtm: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        reservation,
        traceparent: &traceparent,
    })?;
    transaction.exec_drop(INSERT, (id, version, &traceparent, id, version, event, &traceparent)).await?;
    // Of several rows it is the first one's.
    Ok(transaction.last_insert_id().unwrap_or_default())
}

const INSERT: &str = "INSERT INTO outbox (effect, reservation_id, version, event, traceparent)
VALUES ('invalidate', ?, ?, NULL, ?), ('publish', ?, ?, ?, ?)";
