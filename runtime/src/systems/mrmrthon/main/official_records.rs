//! The official records, which organizers keep. Anybody may read them. A new one is credited, by way of the table's stream: a
//! record that is changed or deleted later changes no points, and an id is credited once for ever.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::HeaderMap;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::super::credit::worth;
use super::super::texts;
use super::super::values::Kind;
use super::{Answer, ID, No, Service, id_in_path, id_of, item, record};
use crate::aws::dynamodb::key;
use crate::http::edge::Caller;
use crate::telemetry::{self, metrics};

pub async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Response {
    let answer = service.list(&service.official_records).await;
    service.told(&caller, "records.failed", answer)
}

pub async fn add(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = added(&service, &headers, &body).await;
    service.told(&caller, "record.failed", answer)
}

pub async fn change(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = changed(&service, &id, &headers, &body).await;
    service.told(&caller, "record.failed", answer)
}

pub async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = removed(&service, &id, &headers).await;
    service.told(&caller, "record.failed", answer)
}

/// The time that the database has to say whether there is a user.
const USER_TIMEOUT: Duration = Duration::from_secs(1);

/// A record is of a marathon that is worth something, and of a user: a credit that can never be made would have to be mended
/// by hand.
async fn added(service: &Service, headers: &HeaderMap, body: &[u8]) -> Answer {
    service.only(Kind::Organizer, headers)?;
    let item = item(body)?;
    let (user, marathon) = (id_of(&item, "user_id")?, id_of(&item, "marathon_id")?);
    match service.tables.get(&service.marathons, &key(ID, marathon)).await?.as_ref().map(worth) {
        Some(Some(_)) => {}
        Some(None) => return Err(No::Wrong(Cow::Borrowed("the marathon has no points to be credited"))),
        None => return Err(No::Missing("there is no marathon with this id")),
    }
    if !may_be_user(service, user).await {
        return Err(No::Missing("there is no user with this id"));
    }
    service.put(&service.official_records, &item).await?;
    metrics::count("Records", 1);
    Ok(texts::recorded(user, marathon))
}

/// Changes the `record`, and nothing else.
async fn changed(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
    service.only(Kind::Organizer, headers)?;
    let (id, record) = (id_in_path(id)?, record(body)?);
    service.set(&service.official_records, id, "record", record, None).await
}

async fn removed(service: &Service, id: &str, headers: &HeaderMap) -> Answer {
    service.only(Kind::Organizer, headers)?;
    service.delete(&service.official_records, id_in_path(id)?, None).await
}

/// Whether there is a user. Records are taken while the database is away, and credited when it is back; so then there may be.
async fn may_be_user(service: &Service, user: u64) -> bool {
    let asked = async {
        let mut connection = service.database.primary.connection().await?;
        let found: Option<u64> = connection.exec_first("SELECT id FROM users WHERE id = ?", (user,)).await?;
        anyhow::Ok(found.is_some())
    };
    let answered = tokio::time::timeout(USER_TIMEOUT, asked).await.context("no answer from the database").flatten();
    answered.unwrap_or_else(|error| {
        telemetry::warn("user.unknown", &json!({ "user_id": user, "message": format!("{error:#}") }));
        true
    })
}
