//! Gives one reservation by its id.

use anyhow::ensure;
use hyper::body::Bytes;
use mysql_async::prelude::Queryable;

use super::super::reservation::{COLUMNS, Reservation};
use super::{From, Service};
use crate::data::cache::Found;
use crate::data::database::{READ_TIMEOUT, Server};

pub async fn find(service: &Service, id: i32) -> anyhow::Result<(Option<Bytes>, From)> {
    let mut written = false;
    let (key, replica_will_do) = match service.cache.row(id).await {
        Ok(Found::Row(body)) => return Ok((Some(body), From::Cache)),
        // A write returned not long ago. The version of the fence is in the key of the flight, so that nobody joins a
        // flight that began before the write.
        Ok(Found::Fence(version)) => {
            written = true;
            (format!("{id}!{version}"), false)
        }
        Ok(Found::Nothing) => {
            // The cache may have lost a fence in a break.
            let unbroken = service.cache.since().is_some_and(|since| service.freshness.passed(since));
            (id.to_string(), unbroken && service.freshness.is_near())
        }
        // Without the cache nobody can say what was written not long ago, and a flight may have begun before a write.
        Err(_) => return Ok((load(service, id, false).await?.map(|(_, body)| body), From::DatabaseAlone)),
    };
    let loading = async {
        let loaded = load(service, id, replica_will_do).await?;
        // The replica has no such row because it is behind, and not because there is none.
        let unknown = written && loaded.is_none() && !service.database.primary.is_up();
        ensure!(!unknown, "it was written not long ago, the primary is away, and the replica has not got it yet");
        if let Some((version, body)) = &loaded {
            // If the cache is gone by now, that is no reason to fail.
            let _ = service.cache.keep(id, *version, body).await;
        }
        Ok(loaded.map(|(_, body)| body))
    };
    Ok((service.rows.join(key, loading).await?, From::Database))
}

/// Reads the row with its version. If the replica does not have the row, the primary is asked, while it can be reached.
async fn load(service: &Service, id: i32, replica_will_do: bool) -> anyhow::Result<Option<(u32, Bytes)>> {
    let first = service.reader(replica_will_do);
    let second = service.other(first);
    let first_is_primary = std::ptr::eq(first, &service.database.primary);
    let row = match (select(first, id).await, second) {
        (Ok(None), Some(primary)) if !first_is_primary && primary.is_up() => select(primary, id).await.unwrap_or(None),
        (Err(_), Some(second)) => select(second, id).await?,
        (row, _) => row?,
    };
    let Some((version, row)) = row else { return Ok(None) };
    Ok(Some((version, serde_json::to_vec(&row)?.into())))
}

async fn select(server: &Server, id: i32) -> anyhow::Result<Option<(u32, Reservation)>> {
    let asked = async {
        let mut connection = server.connection().await?;
        let row: Option<(u32, i32, String, String, String, String)> = connection.exec_first(&*SELECT, (id,)).await?;
        anyhow::Ok(row)
    };
    let row = server.within(READ_TIMEOUT, asked).await?;
    Ok(row.map(|(version, id, departure, destination, date, user_name)| {
        (version, Reservation { id, departure, destination, date, user_name })
    }))
}

static SELECT: std::sync::LazyLock<String> =
    std::sync::LazyLock::new(|| format!("SELECT version, {COLUMNS} FROM reservations WHERE id = ?"));
