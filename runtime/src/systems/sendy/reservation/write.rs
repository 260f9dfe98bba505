//! The transactions. A client that gets an answer can rely on it. A client that gets no answer can send the same
//! request again.

use std::time::Duration;

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::group_commit::New;
use super::outbox::{Change, Effects};
use super::{Fields, Reservation, Service};
use crate::data::database::{self, Hex, Literal, STATEMENT_TIMEOUT, attempts};
use crate::events::outbox;
use crate::http::edge::Caller;
use crate::telemetry::{self, metrics};

#[derive(Debug)]
pub enum Outcome {
    Done(Reservation),
    /// This very request was answered before, with this reservation.
    Replayed(Reservation),
    /// The key belongs to an earlier request with another content.
    OtherRequest,
}

pub async fn create(service: &Service, fields: &Fields, key: Option<&str>, caller: &Caller) -> anyhow::Result<Outcome> {
    let Some(key) = key else {
        let committed = attempts(|| insert(service, fields, None, caller)).await?;
        return Ok(Outcome::Done(finished(service, Change::Created, committed, caller).await?));
    };
    let request = digest(fields);
    if let Some(outcome) = replay(service, fields, key, &request).await? {
        return Ok(outcome);
    }
    match attempts(|| insert(service, fields, Some((key, &request)), caller)).await {
        Ok(committed) => Ok(Outcome::Done(finished(service, Change::Created, committed, caller).await?)),
        // The same request came twice at the same time, and the other was faster.
        Err(error) if database::refusal(&error) == Some(database::DUPLICATE) => {
            replay(service, fields, key, &request).await?.context("the idempotency key was there and is gone")
        }
        Err(error) => Err(error),
    }
}

/// Changes a reservation. `None` if there is no such reservation.
pub async fn change(
    service: &Service,
    id: i32,
    fields: &Fields,
    caller: &Caller,
) -> anyhow::Result<Option<Reservation>> {
    match attempts(|| update(service, id, fields, caller)).await? {
        Some(committed) => Ok(Some(finished(service, Change::Changed, committed, caller).await?)),
        None => Ok(None),
    }
}

/// Deletes a reservation. `false` if there is no such reservation.
pub async fn remove(service: &Service, id: i32, caller: &Caller) -> anyhow::Result<bool> {
    match attempts(|| delete(service, id, caller)).await? {
        Some(committed) => {
            finished(service, Change::Deleted, committed, caller).await?;
            Ok(true)
        }
        None => Ok(false),
    }
}

const SELECT_KEY: &str = "SELECT request, reservation_id FROM idempotency_keys WHERE name = ?";
const UPDATE: &str = "UPDATE reservations
SET departure = ?, destination = ?, date = ?, user_name = ?, version = version + 1 WHERE id = ?";
const VERSION: &str = "SELECT version FROM reservations WHERE id = ?";
/// Reads the row that is to be deleted, and locks it. The whole row is read, so that the log has what was deleted.
const DELETED: &str = "SELECT version, id, departure, destination, DATE_FORMAT(date, '%Y-%m-%d'), user_name
FROM reservations WHERE id = ? FOR UPDATE";
const DELETE: &str = "DELETE FROM reservations WHERE id = ?";

/// The time for an invalidation before the answer. The relay of the outbox has all the time it needs.
const INVALIDATION_TIMEOUT: Duration = Duration::from_millis(200);

struct Committed {
    reservation: Reservation,
    version: u32,
    /// The row of the outbox that invalidates the cache.
    invalidation: u64,
}

async fn insert(
    service: &Service,
    fields: &Fields,
    key: Option<(&str, &[u8])>,
    caller: &Caller,
) -> anyhow::Result<Committed> {
    let [departure, destination, date, user_name] =
        [&fields.departure, &fields.destination, &fields.date, &fields.user_name].map(|field| Literal(field));
    let new = New {
        reservation: format!("({departure}, {destination}, {date}, {user_name})"),
        key: key.map(|(key, request)| format!("{}, x'{}'", Literal(key), Hex(request))),
        effects: Effects::new(Change::Created, 1, Some(fields), &caller.trace)?,
    };
    let made = service.group_commit.commit(new).await?;
    let reservation = fields.row(i32::try_from(made.reservation)?);
    Ok(Committed { reservation, version: 1, invalidation: made.invalidation })
}

async fn update(service: &Service, id: i32, fields: &Fields, caller: &Caller) -> anyhow::Result<Option<Committed>> {
    let mut connection = service.database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let values = (&fields.departure, &fields.destination, &fields.date, &fields.user_name, id);
    transaction.exec_drop(UPDATE, values).await?;
    let version: Option<u32> = transaction.exec_first(VERSION, (id,)).await?;
    let Some(version) = version else { return Ok(None) };
    let effects = Effects::new(Change::Changed, version, Some(fields), &caller.trace)?;
    commit(transaction, effects, fields.row(id), version).await.map(Some)
}

async fn delete(service: &Service, id: i32, caller: &Caller) -> anyhow::Result<Option<Committed>> {
    let mut connection = service.database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let found: Option<(u32, i32, String, String, String, String)> = transaction.exec_first(DELETED, (id,)).await?;
    let Some((version, id, departure, destination, date, user_name)) = found else { return Ok(None) };
    transaction.exec_drop(DELETE, (id,)).await?;
    let version = version + 1;
    let reservation = Reservation { id, departure, destination, date, user_name };
    let effects = Effects::new(Change::Deleted, version, None, &caller.trace)?;
    commit(transaction, effects, reservation, version).await.map(Some)
}

async fn commit(
    mut transaction: Transaction<'_>,
    effects: Effects,
    reservation: Reservation,
    version: u32,
) -> anyhow::Result<Committed> {
    let rows = effects.rows(&reservation.id.to_string())?;
    let invalidation = outbox::insert(&mut transaction, &rows).await?;
    transaction.commit().await?;
    Ok(Committed { reservation, version, invalidation })
}

/// Does the rest after the commit. No failure here may fail the request.
async fn finished(
    service: &Service,
    change: Change,
    committed: Committed,
    caller: &Caller,
) -> anyhow::Result<Reservation> {
    let Committed { reservation, version, invalidation } = committed;
    let invalidated = service.cache.invalidate(reservation.id, version);
    if let Ok(Ok(())) = tokio::time::timeout(INVALIDATION_TIMEOUT, invalidated).await {
        service.pending.invalidated(invalidation);
    }
    service.pending.wake();
    metrics::count("Writes", 1);
    telemetry::info(
        change.event(),
        &Line {
            request_id: &caller.request_id,
            trace_id: caller.trace.id(),
            reservation_id: reservation.id,
            version,
            departure: &reservation.departure,
            destination: &reservation.destination,
            date: &reservation.date,
            user_name: &reservation.user_name,
        },
    );
    Ok(reservation)
}

/// The line that the log forwarder ships, and that the dashboard counts.
#[derive(Serialize)]
struct Line<'a> {
    request_id: &'a str,
    trace_id: String,
    reservation_id: i32,
    version: u32,
    departure: &'a str,
    destination: &'a str,
    date: &'a str,
    user_name: &'a str,
}

async fn replay(service: &Service, fields: &Fields, key: &str, request: &[u8]) -> anyhow::Result<Option<Outcome>> {
    let asked = async {
        let mut connection = service.database.primary.connection().await?;
        let found: Option<(Vec<u8>, i32)> = connection.exec_first(SELECT_KEY, (key,)).await?;
        anyhow::Ok(found)
    };
    let found = tokio::time::timeout(STATEMENT_TIMEOUT, asked).await.context("no answer from the database")??;
    Ok(found.map(|(stored, id)| match stored == request {
        // The fields are those of this request, even if the reservation was changed since.
        true => Outcome::Replayed(fields.row(id)),
        false => Outcome::OtherRequest,
    }))
}

fn digest(fields: &Fields) -> Vec<u8> {
    let mut digest = Sha256::new();
    for field in [&fields.departure, &fields.destination, &fields.date, &fields.user_name] {
        // The length is part of the digest, so that two requests never give the same text.
        digest.update(field.len().to_le_bytes());
        digest.update(field);
    }
    digest.finalize().to_vec()
}
