//! The marathons, which organizers keep.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::HeaderMap;

use super::super::credit::worth;
use super::super::values::{Kind, MOST_POINTS};
use super::{Answer, No, Service, id_in_path, item, nothing};
use crate::aws::dynamodb::{self, Failed, Value};
use crate::http::edge::Caller;

pub async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let answer = match service.only(Kind::Organizer, &headers) {
        Ok(_) => service.list(&service.marathons).await,
        Err(no) => Err(no),
    };
    service.told(&caller, "marathons.failed", answer)
}

pub async fn add(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = added(&service, &headers, &body).await;
    service.told(&caller, "marathon.failed", answer)
}

pub async fn change(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = changed(&service, &id, &headers, &body).await;
    service.told(&caller, "marathon.failed", answer)
}

pub async fn remove(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = removed(&service, &id, &headers).await;
    service.told(&caller, "marathon.failed", answer)
}

async fn added(service: &Service, headers: &HeaderMap, body: &[u8]) -> Answer {
    service.only(Kind::Organizer, headers)?;
    let item = item(body)?;
    // A marathon may be worth nothing yet. What it is worth has to be something that can be credited.
    if item.contains_key("point") && worth(&item).is_none() {
        return Err(No::Wrong(format!("point is not a whole number up to {MOST_POINTS}").into()));
    }
    service.put(&service.marathons, &item).await?;
    Ok(nothing())
}

/// Changes the title, and nothing else.
async fn changed(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
    service.only(Kind::Organizer, headers)?;
    let id = id_in_path(id)?;
    let mut body = dynamodb::read(body).map_err(Failed::Refused)?;
    let Some(title @ Value::Text(_)) = body.remove("title") else {
        return Err(No::Wrong(Cow::Borrowed("title is not a text")));
    };
    service.set(&service.marathons, id, "title", title, None).await
}

async fn removed(service: &Service, id: &str, headers: &HeaderMap) -> Answer {
    service.only(Kind::Organizer, headers)?;
    service.delete(&service.marathons, id_in_path(id)?, None).await
}
