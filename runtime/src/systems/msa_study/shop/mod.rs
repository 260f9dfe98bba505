//! The role `shop`: it shows the items, sells them, and orders what is missing.

mod sale;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, put};
use axum::{Extension, Router, middleware};
use hyper::{HeaderMap, StatusCode};
use mysql_async::prelude::Queryable;
use serde::Serialize;
use serde_json::{Value, json};

use self::sale::{Outcome, Purchase};
use super::values::{self, LARGEST_STOCK, Page};
use super::{config, texts};
use crate::config::Environment;
use crate::config::stores::Secret;
use crate::data::database::{self, Database};
use crate::events::sweep;
use crate::functions::outbox::{self, Topics};
use crate::functions::{Function, http};
use crate::http::edge::{self, Caller};
use crate::http::{answer, api_key, idempotency};
use crate::stock::purchases::{self, Answer, Once};
use crate::stock::{Shelf, orders};
use crate::telemetry;

pub const TOPICS: Topics = Topics::One(ORDERS);
/// Where the stock is.
pub const SHELF: Shelf = Shelf { table: "items", id: "item_id", name: "name", left: "quantity" };

/// The topic of the orders, by the name that it has in the outbox.
const ORDERS: &str = "orders";

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::Shop::read(environment)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(outbox::sweep(&database, &config.database, &config.topics).await);
    sweep.in_passing().await;
    let shop = Arc::new(Shop { database, admin_key: config.admin_key });
    let router = Router::new()
        .route("/item", get(list).post(buy))
        .route("/item/{id}", put(set))
        .with_state(shop)
        .fallback(texts::not_found)
        .method_not_allowed_fallback(texts::not_found)
        .layer(middleware::from_fn_with_state(sweep, sweep::after));
    Ok(Function { error_type: "Shop.Failed", handle: http::handle(router, StatusCode::BAD_REQUEST) })
}

struct Shop {
    database: Arc<Database>,
    admin_key: Secret,
}

/// An item, as clients get it.
#[derive(Serialize)]
struct Item {
    item_id: i32,
    name: String,
    price: i32,
    quantity: i32,
    factory_id: i32,
}

/// What the database says of a change, in the form that clients know from the driver of the system before.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    field_count: u8,
    affected_rows: u64,
    insert_id: u64,
    info: String,
    server_status: u16,
    warning_status: u16,
    changed_rows: u64,
}

/// The statements that are run regularly.
pub const TIDY: &[&str] = &[purchases::TIDY, orders::TIDY];

const LIST: &str =
    "SELECT item_id, name, price, quantity, factory_id FROM items WHERE item_id > ? ORDER BY item_id LIMIT ?";
const SET: &str = "UPDATE items SET quantity = ? WHERE item_id = ?";

async fn list(
    State(shop): State<Arc<Shop>>,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Response {
    match database::attempts(|| items(&shop.database, &page)).await {
        Ok(items) if items.is_empty() && page.is_whole() => texts::bad_request(texts::NO_ITEM),
        Ok(items) => answer::json(StatusCode::OK, &items),
        Err(error) => unavailable(&caller, "list.failed", &error),
    }
}

async fn buy(
    State(shop): State<Arc<Shop>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(purchase) = Purchase::parse(&body) else { return answer::invalid_input(StatusCode::BAD_REQUEST) };
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let said = |answer: Answer| {
        let text = if answer.is_sold { texts::sold(answer.left) } else { texts::short(answer.left) };
        answer::message(StatusCode::OK, &text)
    };
    match sale::buy(&shop.database, &purchase, key, &caller).await {
        Ok(Once::Now(Outcome::Done(answer))) => said(answer),
        Ok(Once::Replayed(answer)) => idempotency::replayed(said(answer)),
        Ok(Once::OtherRequest) => idempotency::other_request(),
        Ok(Once::Now(Outcome::NoSuchItem)) => texts::bad_request(texts::NO_ITEM),
        Ok(Once::Now(Outcome::NotOrdered(refusal))) => texts::bad_request(&refusal.to_string()),
        Err(error) => unavailable(&caller, "sale.failed", &error),
    }
}

async fn set(
    State(shop): State<Arc<Shop>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !api_key::is_shown(&headers, &shop.admin_key) {
        return edge::refuse(StatusCode::UNAUTHORIZED, "x-api-key is missing or wrong");
    }
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    // A stock may be 0. Nobody can buy 0.
    let quantity = body.and_then(|body| values::quantity(&body["quantity"], 0, LARGEST_STOCK));
    let (Some(quantity), Ok(id)) = (quantity, id.parse::<i32>()) else {
        return texts::bad_request(texts::QUANTITY_NOT_SET);
    };
    match database::attempts(|| set_stock(&shop.database, id, quantity)).await {
        Ok(changed) if changed.affected_rows == 0 => texts::bad_request(texts::QUANTITY_NOT_SET),
        Ok(changed) => {
            let line = json!({ "request_id": &*caller.request_id, "item_id": id, "quantity": quantity });
            telemetry::info("stock.set", &line);
            answer::json(StatusCode::OK, &Set { message: texts::QUANTITY_SET, result: changed })
        }
        Err(error) => unavailable(&caller, "set.failed", &error),
    }
}

#[derive(Serialize)]
struct Set {
    message: &'static str,
    result: Changed,
}

async fn items(database: &Database, page: &Page) -> anyhow::Result<Vec<Item>> {
    let mut connection = database.primary.connection().await?;
    let row = |(item_id, name, price, quantity, factory_id)| Item { item_id, name, price, quantity, factory_id };
    Ok(connection.exec_map(LIST, (page.after(), page.limit()), row).await?)
}

async fn set_stock(database: &Database, id: i32, quantity: u32) -> anyhow::Result<Changed> {
    let mut connection = database.primary.connection().await?;
    connection.exec_drop(SET, (quantity, id)).await?;
    let info = connection.info().into_owned();
    let changed = info.split("Changed: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    Ok(Changed {
        field_count: 0,
        affected_rows: connection.affected_rows(),
        insert_id: 0,
        info,
        // The session commits each statement by itself.
        server_status: 2,
        warning_status: 0,
        changed_rows: changed.unwrap_or_default(),
    })
}

fn unavailable(caller: &Caller, event: &str, error: &anyhow::Error) -> Response {
    caller.failed(event, error);
    texts::no_database()
}
