//! The entries of players, each of whom keeps the own ones. Anybody may read one, and an organizer all.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use super::super::config::Statuses;
use super::super::values::Kind;
use super::{Answer, ID, NOTHING_THERE, No, Service, id_in_path, item, nothing, own};
use crate::aws::dynamodb::{Item, key};
use crate::http::answer;
use crate::http::edge::Caller;

pub async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let answer = match service.only(Kind::Organizer, &headers) {
        Ok(_) => service.list(&service.players).await,
        Err(no) => Err(no),
    };
    service.told(&caller, "players.failed", answer)
}

pub async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let answer = shown(&service, &id).await;
    service.told(&caller, "player.failed", answer)
}

pub async fn add(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = added(&service, &headers, &body).await;
    service.told(&caller, "player.failed", answer)
}

pub async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = removed(&service, &id, &headers).await;
    service.told(&caller, "player.failed", answer)
}

/// The answer of DynamoDB to a question for one item.
#[derive(Serialize)]
struct Found {
    #[serde(rename = "Item")]
    item: Item,
}

async fn shown(service: &Service, id: &str) -> Answer {
    match service.tables.get(&service.players, &key(ID, id_in_path(id)?)).await? {
        Some(item) => Ok(answer::json(StatusCode::OK, &Found { item })),
        None if service.statuses == Statuses::Original => Ok(nothing()),
        None => Err(No::Missing(NOTHING_THERE)),
    }
}

async fn added(service: &Service, headers: &HeaderMap, body: &[u8]) -> Answer {
    let claims = service.only(Kind::Individual, headers)?;
    let mut item = item(body)?;
    own(&mut item, &claims)?;
    service.put(&service.players, &item).await?;
    Ok(nothing())
}

async fn removed(service: &Service, id: &str, headers: &HeaderMap) -> Answer {
    let claims = service.only(Kind::Individual, headers)?;
    service.delete(&service.players, id_in_path(id)?, Some(&claims)).await
}
