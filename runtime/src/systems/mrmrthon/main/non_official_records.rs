//! The records that individuals keep for themselves. Anybody may read them.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::HeaderMap;

use super::super::values::Kind;
use super::{Answer, Service, id_in_path, item, nothing, own, record};
use crate::http::edge::Caller;

pub async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Response {
    let answer = service.list(&service.non_official_records).await;
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

async fn added(service: &Service, headers: &HeaderMap, body: &[u8]) -> Answer {
    let claims = service.only(Kind::Individual, headers)?;
    let mut item = item(body)?;
    own(&mut item, &claims)?;
    service.put(&service.non_official_records, &item).await?;
    Ok(nothing())
}

async fn changed(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
    let claims = service.only(Kind::Individual, headers)?;
    let (id, record) = (id_in_path(id)?, record(body)?);
    service.set(&service.non_official_records, id, "record", record, Some(&claims)).await
}

async fn removed(service: &Service, id: &str, headers: &HeaderMap) -> Answer {
    let claims = service.only(Kind::Individual, headers)?;
    service.delete(&service.non_official_records, id_in_path(id)?, Some(&claims)).await
}
