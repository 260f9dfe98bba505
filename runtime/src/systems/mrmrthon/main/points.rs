//! The points, as the database has them, and the ranking. A list that goes on says in `link` where.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{HeaderValue, LINK};
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};

use super::{Answer, No, Service, id_in_path};
use crate::data::database::{self, Database};
use crate::http::answer;
use crate::http::edge::Caller;

/// A credit, as clients get it.
#[derive(Serialize)]
struct Point {
    user_id: u64,
    point: u32,
    marathon_id: u64,
    #[serde(skip)]
    id: u64,
}

/// A place in the ranking.
#[derive(Serialize)]
struct Place {
    login_id: String,
    name: String,
    total_point: i64,
    #[serde(skip)]
    id: u64,
}

#[derive(Deserialize)]
pub struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

type Asked = Result<Query<Page>, QueryRejection>;

const POINTS: &str = "SELECT user_id, point, marathon_id, id FROM points WHERE id > ? ORDER BY id LIMIT ?";
const POINTS_OF_USER: &str =
    "SELECT user_id, point, marathon_id, id FROM points WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?";
/// Of users with as many points the first is who has been there longer. So their order never changes by itself. Without the
/// hint the database may read and sort all users for the first hundred.
const BEST: &str = "SELECT login_id, name, total_point, id FROM users FORCE INDEX (ranking)
ORDER BY total_point DESC, id LIMIT ?";
const BEST_AFTER: &str = "SELECT login_id, name, total_point, id FROM users FORCE INDEX (ranking)
WHERE total_point <= ? AND (total_point < ? OR id > ?) ORDER BY total_point DESC, id LIMIT ?";
const TOTAL: &str = "SELECT login_id, name, total_point, id FROM users WHERE id = ?";

/// The most rows in one answer.
const MOST: u32 = 1_000;
/// The places of the ranking that are shown if nobody asks for more.
const USUAL_PLACES: u32 = 100;

pub async fn all(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>, page: Asked) -> Response {
    let answer = points(&service, None, page).await;
    service.told(&caller, "points.failed", answer)
}

pub async fn of_user(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    page: Asked,
) -> Response {
    let answer = points(&service, Some(&id), page).await;
    service.told(&caller, "points.failed", answer)
}

pub async fn ranking(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    page: Asked,
) -> Response {
    let answer = ranked(&service, page).await;
    service.told(&caller, "ranking.failed", answer)
}

pub async fn total(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let answer = totalled(&service, &id).await;
    service.told(&caller, "total.failed", answer)
}

async fn points(service: &Service, user: Option<&str>, page: Asked) -> Answer {
    let (after, limit) = read(page, MOST, |after| after.parse::<u64>().ok())?;
    let user = user.map(id_in_path).transpose()?;
    let after = after.unwrap_or_default();
    let rows = database::attempts(|| rows(&service.database, user, after, limit)).await.map_err(No::Failed)?;
    let path = user.map_or_else(|| "/point".to_owned(), |user| format!("/point/{user}"));
    let last = rows.last().map(|last| last.id.to_string());
    Ok(paged(answer::json(StatusCode::OK, &rows), &path, rows.len(), limit, last))
}

/// The place after which a page begins is the points and the id of the last user before it.
async fn ranked(service: &Service, page: Asked) -> Answer {
    let (after, limit) = read(page, USUAL_PLACES, |after| {
        let (total, id) = after.split_once(':')?;
        Some((total.parse::<i64>().ok()?, id.parse::<u64>().ok()?))
    })?;
    let places = database::attempts(|| best(&service.database, after, limit)).await.map_err(No::Failed)?;
    let last = places.last().map(|last| format!("{}:{}", last.total_point, last.id));
    Ok(paged(answer::json(StatusCode::OK, &places), "/point/total_point", places.len(), limit, last))
}

async fn totalled(service: &Service, id: &str) -> Answer {
    let id = id_in_path(id)?;
    let found = database::attempts(|| async {
        let mut connection = service.database.primary.connection().await?;
        Ok(connection.exec_map(TOTAL, (id,), place).await?)
    });
    Ok(answer::json(StatusCode::OK, &found.await.map_err(No::Failed)?))
}

/// The page that a request asks for: after what, and how many.
fn read<T>(page: Asked, usual: u32, after: impl Fn(&str) -> Option<T>) -> Result<(Option<T>, u32), No> {
    let wrong = || No::Wrong("after and limit are not those of a page".into());
    let Ok(Query(Page { after: asked, limit })) = page else { return Err(wrong()) };
    let limit = limit.unwrap_or(usual);
    if limit == 0 {
        return Err(wrong());
    }
    let after = asked.map(|asked| after(&asked).ok_or_else(wrong)).transpose()?;
    Ok((after, limit.min(MOST)))
}

/// Says in the answer where the list goes on, if it is as long as it may be.
fn paged(mut answer: Response, path: &str, rows: usize, limit: u32, last: Option<String>) -> Response {
    if let Some(last) = last.filter(|_| rows >= limit as usize)
        && let Ok(link) = HeaderValue::from_str(&format!("<{path}?limit={limit}&after={last}>; rel=\"next\""))
    {
        answer.headers_mut().insert(LINK, link);
    }
    answer
}

async fn rows(database: &Database, user: Option<u64>, after: u64, limit: u32) -> anyhow::Result<Vec<Point>> {
    let mut connection = database.primary.connection().await?;
    let row = |(user_id, point, marathon_id, id)| Point { user_id, point, marathon_id, id };
    Ok(match user {
        Some(user) => connection.exec_map(POINTS_OF_USER, (user, after, limit), row).await?,
        None => connection.exec_map(POINTS, (after, limit), row).await?,
    })
}

async fn best(database: &Database, after: Option<(i64, u64)>, limit: u32) -> anyhow::Result<Vec<Place>> {
    let mut connection = database.primary.connection().await?;
    Ok(match after {
        Some((total, id)) => connection.exec_map(BEST_AFTER, (total, total, id, limit), place).await?,
        None => connection.exec_map(BEST, (limit,), place).await?,
    })
}

fn place((login_id, name, total_point, id): (String, String, i64, u64)) -> Place {
    Place { login_id, name, total_point, id }
}
