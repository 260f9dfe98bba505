//! One purchase. A guarded statement takes it from the stock. If the stock is too small, the purchase becomes an order of
//! production, unless the item has an open order.

use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::ORDERS;
use crate::data::database::{self, Database};
use crate::events::attributes::{Attributes, Empty};
use crate::events::outbox::{self, Publication};
use crate::http::edge::Caller;
use crate::systems::msa_study::messages::Order;
use crate::systems::msa_study::texts;
use crate::systems::msa_study::values::{self, LARGEST_PURCHASE};
use crate::telemetry::{self, metrics};

#[derive(Debug, PartialEq)]
pub struct Purchase {
    /// Empty if the client names no item. No item is called so.
    pub item_name: String,
    pub quantity: u32,
    /// Empty if the client names nobody.
    pub requester: String,
}

pub enum Outcome {
    Done(Answer),
    /// This very request was answered before, with this answer.
    Replayed(Answer),
    /// The key belongs to an earlier request with another content.
    OtherRequest,
    NoSuchItem,
    /// The stock is too small, and SNS would refuse the order.
    NotOrdered(Empty),
}

#[derive(Clone, Copy)]
pub struct Answer {
    /// Whether it was sold. If not, the stock is too small, and an order is open.
    pub is_sold: bool,
    /// What is left in the stock.
    pub left: i64,
}

impl Purchase {
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(Purchase {
            item_name: body["item_name"].as_str().unwrap_or_default().to_owned(),
            quantity: values::quantity(&body["quantity"], 1, LARGEST_PURCHASE)?,
            requester: match &body["requester"] {
                Value::Null => String::new(),
                requester => values::name(requester)?.to_owned(),
            },
        })
    }
}

/// Does a purchase. Under one key that happens once.
pub async fn buy(
    database: &Database,
    purchase: &Purchase,
    key: Option<&str>,
    caller: &Caller,
) -> anyhow::Result<Outcome> {
    let Some(key) = key else {
        if let Some(left) = database::attempts(|| take(database, purchase)).await? {
            tell_sold(purchase, left, caller);
            return Ok(Outcome::Done(Answer { is_sold: true, left }));
        }
        return database::attempts(|| decide(database, purchase, None, caller)).await;
    };
    if let Some(outcome) = before(database, purchase, key).await? {
        return Ok(outcome);
    }
    match database::attempts(|| decide(database, purchase, Some(key), caller)).await {
        // The same request came twice at the same time, and the other was faster.
        Err(error) if database::refusal(&error) == Some(database::DUPLICATE) => {
            before(database, purchase, key).await?.ok_or(error)
        }
        outcome => outcome,
    }
}

/// What is done regularly.
pub const TIDY: &[&str] = &[
    // A client may send its request again for a day.
    "DELETE FROM purchases WHERE created_at < NOW(3) - INTERVAL 1 DAY LIMIT 10000",
    // No queue keeps a message for so long, so nothing will come of the order. The item can be ordered again. A delivery
    // that comes all the same is credited.
    "UPDATE orders SET is_open = NULL WHERE is_open = 1 AND ordered_at < NOW(3) - INTERVAL 30 DAY",
];

/// The stock cannot go below 0, whoever buys at the same time. The new stock is what the connection has inserted last, so
/// that no other statement is needed to know it. The length is compared too, because MySQL compares names without the
/// spaces at their end.
const TAKE: &str = "UPDATE items SET quantity = LAST_INSERT_ID(quantity - ?)
WHERE name = ? AND LENGTH(name) = ? AND quantity >= ?";
const ITEM: &str = "SELECT item_id, quantity, factory_id FROM items WHERE name = ? AND LENGTH(name) = ? FOR UPDATE";
const FACTORY: &str = "SELECT name FROM factories WHERE factory_id = ?";
const BEFORE: &str = "SELECT request, is_sold, told FROM purchases WHERE name = ?";
const KEEP: &str = "INSERT INTO purchases (name, request, is_sold, told) VALUES (?, ?, ?, ?)";
const INSERT: &str = "INSERT INTO orders (order_id, item_id, quantity, requester, is_open) VALUES (?, ?, ?, ?, 1)";

/// Takes a purchase from the stock, and gives what is left. `None` if there is too little, or no such item.
async fn take(database: &Database, purchase: &Purchase) -> anyhow::Result<Option<i64>> {
    let Purchase { item_name, quantity, .. } = purchase;
    let mut connection = database.primary.connection().await?;
    connection.exec_drop(TAKE, (quantity, item_name, item_name.len(), quantity)).await?;
    // The id 0 is told as none.
    let left = connection.last_insert_id().unwrap_or_default();
    Ok((connection.affected_rows() == 1).then_some(i64::try_from(left)?))
}

/// Sells or orders, with the item locked, so that no delivery comes in between. If there is a key, it is kept together
/// with the answer.
async fn decide(
    database: &Database,
    purchase: &Purchase,
    key: Option<&str>,
    caller: &Caller,
) -> anyhow::Result<Outcome> {
    let Purchase { item_name, quantity, requester } = purchase;
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let found: Option<(i32, i64, i32)> = transaction.exec_first(ITEM, (item_name, item_name.len())).await?;
    let Some((item_id, left, factory_id)) = found else {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchItem);
    };
    if left >= (*quantity).into() {
        transaction.exec_drop(TAKE, (quantity, item_name, item_name.len(), quantity)).await?;
        let answer = Answer { is_sold: true, left: left - i64::from(*quantity) };
        keep(&mut transaction, purchase, key, answer).await?;
        transaction.commit().await?;
        tell_sold(purchase, answer.left, caller);
        return Ok(Outcome::Done(answer));
    }
    let factory_name: Option<String> = transaction.exec_first(FACTORY, (factory_id,)).await?;
    let order = Order {
        id: format!("{:032x}", fastrand::u128(..)),
        item_id,
        item_name: item_name.clone(),
        factory_id,
        factory_name: factory_name.unwrap_or_default(),
        quantity: *quantity,
        requester: requester.clone(),
    };
    let attributes = match order.attributes() {
        Ok(attributes) => attributes,
        Err(refusal) => {
            transaction.rollback().await?;
            return Ok(Outcome::NotOrdered(refusal));
        }
    };
    let is_opened = match transaction.exec_drop(INSERT, (&order.id, item_id, quantity, requester)).await {
        Ok(()) => true,
        // The item has an open order.
        Err(error) if database::code(&error) == Some(database::DUPLICATE) => false,
        Err(error) => return Err(error.into()),
    };
    if is_opened {
        publish(&mut transaction, &order, &attributes, caller).await?;
    }
    let answer = Answer { is_sold: false, left };
    keep(&mut transaction, purchase, key, answer).await?;
    transaction.commit().await?;
    metrics::count("Missed", 1);
    if is_opened {
        metrics::count("Ordered", 1);
        let line = json!({
            "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "order_id": order.id,
            "item_id": item_id, "quantity": quantity,
        });
        telemetry::info("order.opened", &line);
    }
    Ok(Outcome::Done(answer))
}

async fn publish(
    transaction: &mut Transaction<'_>,
    order: &Order,
    attributes: &Attributes,
    caller: &Caller,
) -> anyhow::Result<()> {
    let item_name = values::plain(&order.item_name);
    let row = Publication {
        topic: ORDERS,
        subject: outbox::Value::Text(&order.id),
        version: 1,
        message: outbox::Value::Text(&texts::order_message(&item_name, OffsetDateTime::now_utc())),
        title: Some(&texts::order_subject(&item_name)),
        attributes,
        trace: &caller.trace,
    };
    outbox::insert(transaction, &[row.row()?]).await?;
    Ok(())
}

async fn keep(
    transaction: &mut Transaction<'_>,
    purchase: &Purchase,
    key: Option<&str>,
    answer: Answer,
) -> anyhow::Result<()> {
    let Some(key) = key else { return Ok(()) };
    Ok(transaction.exec_drop(KEEP, (key, digest(purchase), answer.is_sold, answer.left)).await?)
}

/// The answer that a request with this key had.
async fn before(database: &Database, purchase: &Purchase, key: &str) -> anyhow::Result<Option<Outcome>> {
    let found = database::attempts(|| async {
        let mut connection = database.primary.connection().await?;
        Ok(connection.exec_first(BEFORE, (key,)).await?)
    });
    let Some((request, is_sold, left)): Option<(Vec<u8>, bool, i64)> = found.await? else { return Ok(None) };
    Ok(Some(match request == digest(purchase) {
        true => Outcome::Replayed(Answer { is_sold, left }),
        false => Outcome::OtherRequest,
    }))
}

fn digest(purchase: &Purchase) -> Vec<u8> {
    let Purchase { item_name, quantity, requester } = purchase;
    let mut digest = Sha256::new();
    digest.update(quantity.to_le_bytes());
    // The length is part of the digest, so that two requests never give the same text.
    digest.update(item_name.len().to_le_bytes());
    digest.update(item_name);
    digest.update(requester);
    digest.finalize().to_vec()
}

fn tell_sold(purchase: &Purchase, left: i64, caller: &Caller) {
    metrics::count("Sold", 1);
    let line = json!({
        "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "item_name": purchase.item_name,
        "quantity": purchase.quantity, "left": left,
    });
    telemetry::info("item.sold", &line);
}
