//! The feed of notifications. It has each event once. Its ids become visible in their order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::Service;
use super::message::Event;
use crate::background::Loop;
use crate::data::database::{Database, READ_TIMEOUT, STATEMENT_TIMEOUT, Server};
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics, trace};

pub struct Item {
    pub id: u64,
    pub json: String,
}

/// The items of one answer. A client that has more to read asks again after the last.
pub const PAGE: u32 = 500;
/// The most that a client may ask for at once.
pub const MOST: u32 = 1_000;

/// Appends new events. If the feed has the event, or a later one of the same reservation, the event is passed over. So
/// the feed is right after the queue delivered an event twice, or two events in the wrong order.
pub async fn append(service: &Service, mut events: Vec<Event>) -> anyhow::Result<()> {
    events.sort_by_key(|event| (event.reservation_id, event.version));
    let appended = tokio::time::timeout(STATEMENT_TIMEOUT, insert(&service.database.primary, events));
    let (last, stored) = appended.await.context("no answer from the database")??;
    seen(service, last);
    metrics::count("Notified", stored as u64);
    Ok(())
}

/// Reads the items after an id. The primary knows best. Without it the replica has the beginning of the same feed.
pub async fn read(database: &Database, after: u64, limit: u32) -> anyhow::Result<Vec<Item>> {
    let read = async |server: &Server| {
        let asked = async {
            let mut connection = server.connection().await?;
            anyhow::Ok(connection.exec_map(SELECT, (after, limit.min(MOST)), |(id, json)| Item { id, json }).await?)
        };
        server.within(READ_TIMEOUT, asked).await
    };
    match (&database.replica, database.primary.is_up()) {
        (Some(replica), false) => match read(replica).await {
            Ok(items) => Ok(items),
            Err(_) => read(&database.primary).await,
        },
        (replica, _) => match (read(&database.primary).await, replica) {
            (Err(_), Some(replica)) => read(replica).await,
            (items, _) => items,
        },
    }
}

/// Tells the streams and webhooks of this process about the items that other tasks have appended.
pub async fn follow(service: Arc<Service>, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    while !this.is_stopping() {
        if let Ok(last) = last(&service.database).await {
            seen(&service, last);
        }
        this.sleep(POLL).await;
    }
}

/// Wakes those who wait for more items, if the last item is a new one.
fn seen(service: &Service, last: u64) {
    service.last.send_if_modified(|known| last > std::mem::replace(known, last.max(*known)));
}

/// The id of the newest item.
pub async fn last(database: &Database) -> anyhow::Result<u64> {
    let asked = async {
        let mut connection = database.primary.connection().await?;
        let last: Option<u64> = connection.query_first("SELECT last FROM feed WHERE id = 1").await?;
        last.context("the feed has no row")
    };
    database.primary.within(READ_TIMEOUT, asked).await
}

const POLL: Duration = Duration::from_millis(500);
const SELECT: &str = "SELECT id, item FROM notifications WHERE id > ? ORDER BY id LIMIT ?";
const LOCK: &str = "SELECT last FROM feed WHERE id = 1 FOR UPDATE";
const INSERT: &str = "INSERT INTO notifications (id, reservation_id, version, item) VALUES (?, ?, ?, ?)";
const ADVANCE: &str = "UPDATE feed SET last = ? WHERE id = 1";

/// Inserts events. Gives the id of the last item, and how many are new.
async fn insert(primary: &Server, events: Vec<Event>) -> anyhow::Result<(u64, usize)> {
    let mut connection = primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let before: u64 = transaction.query_first(LOCK).await?.context("the feed has no row")?;
    let ids: Vec<String> = events.iter().map(|event| event.reservation_id.to_string()).collect();
    let known = format!(
        "SELECT reservation_id, MAX(version) FROM notifications WHERE reservation_id IN ({}) GROUP BY reservation_id",
        ids.join(", ")
    );
    let known: Vec<(i32, u32)> = transaction.query(known).await?;
    let mut known: HashMap<i32, u32> = known.into_iter().collect();
    let mut last = before;
    let mut lines = Vec::new();
    for event in &events {
        if known.get(&event.reservation_id).is_some_and(|known| *known >= event.version) {
            metrics::count("Ignored", 1);
            continue;
        }
        known.insert(event.reservation_id, event.version);
        last += 1;
        transaction.exec_drop(INSERT, (last, event.reservation_id, event.version, item(last, event))).await?;
        lines.push(json!({
            "id": last, "reservation_id": event.reservation_id, "version": event.version,
            "trace_id": trace::Trace::follow(&event.traceparent).map(|trace| trace.id()),
        }));
    }
    if last > before {
        transaction.exec_drop(ADVANCE, (last,)).await?;
    }
    transaction.commit().await?;
    for line in &lines {
        telemetry::info("notification.stored", line);
    }
    Ok((last, lines.len()))
}

/// The text of an item, as the drivers get it.
fn item(id: u64, event: &Event) -> String {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut item = json!({
        "id": id,
        "reservationId": event.reservation_id,
        "action": event.action,
        "dtm": event.dtm.unwrap_or_else(|| u64::try_from(now()).unwrap_or_default()),
        "version": event.version,
    });
    for (name, value) in [("event", event.event.clone().map(Into::into)), ("reservation", event.reservation.clone())] {
        if let Some(value) = value {
            item[name] = value;
        }
    }
    item.to_string()
}
