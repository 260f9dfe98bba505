//! One purchase. A guarded statement takes it from the stock. If the stock is too small, the purchase becomes an order of
//! production, unless the item has an open order.

use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::ORDERS;
use crate::data::database::{self, Database};
use crate::events::attributes::Empty;
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
    Sold {
        left: i64,
    },
    /// The stock is too small, and an order is open.
    Short {
        left: i64,
    },
    NoSuchItem,
    /// The stock is too small, and SNS would refuse the order.
    NotOrdered(Empty),
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

pub async fn buy(database: &Database, purchase: &Purchase, caller: &Caller) -> anyhow::Result<Outcome> {
    let sold = database::attempts(|| take(database, purchase)).await?;
    let outcome = match sold {
        Some(left) => Outcome::Sold { left },
        None => database::attempts(|| order(database, purchase, caller)).await?,
    };
    if let Outcome::Sold { left } = outcome {
        metrics::count("Sold", 1);
        let line = json!({
            "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "item_name": purchase.item_name,
            "quantity": purchase.quantity, "left": left,
        });
        telemetry::info("item.sold", &line);
    }
    Ok(outcome)
}

/// The stock cannot go below 0, whoever buys at the same time. The new stock is what the connection has inserted last, so
/// that no other statement is needed to know it. The length is compared too, because MySQL compares names without the
/// spaces at their end.
const TAKE: &str = "UPDATE items SET quantity = LAST_INSERT_ID(quantity - ?)
WHERE name = ? AND LENGTH(name) = ? AND quantity >= ?";
const ITEM: &str = "SELECT item_id, quantity, factory_id FROM items WHERE name = ? AND LENGTH(name) = ? FOR UPDATE";
const FACTORY: &str = "SELECT name FROM factories WHERE factory_id = ?";
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

/// Orders what a purchase has missed. The item is locked meanwhile, so that no delivery comes in between.
async fn order(database: &Database, purchase: &Purchase, caller: &Caller) -> anyhow::Result<Outcome> {
    let Purchase { item_name, quantity, requester } = purchase;
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let found: Option<(i32, i64, i32)> = transaction.exec_first(ITEM, (item_name, item_name.len())).await?;
    let Some((item_id, left, factory_id)) = found else {
        transaction.rollback().await?;
        return Ok(Outcome::NoSuchItem);
    };
    if left >= (*quantity).into() {
        // A delivery has come meanwhile.
        transaction.exec_drop(TAKE, (quantity, item_name, item_name.len(), quantity)).await?;
        transaction.commit().await?;
        return Ok(Outcome::Sold { left: left - i64::from(*quantity) });
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
    match transaction.exec_drop(INSERT, (&order.id, item_id, quantity, requester)).await {
        Ok(()) => {}
        // The item has an open order.
        Err(error) if database::code(&error) == Some(database::DUPLICATE) => {
            transaction.rollback().await?;
            metrics::count("Missed", 1);
            return Ok(Outcome::Short { left });
        }
        Err(error) => return Err(error.into()),
    }
    let row = Publication {
        topic: ORDERS,
        subject: outbox::Value::Text(&order.id),
        version: 1,
        message: outbox::Value::Text(&texts::order_message(&values::plain(item_name), OffsetDateTime::now_utc())),
        title: Some(&texts::order_subject(&values::plain(item_name))),
        attributes: &attributes,
        trace: &caller.trace,
    };
    outbox::insert(&mut transaction, &[row.row()?]).await?;
    transaction.commit().await?;
    metrics::count("Ordered", 1);
    let line = json!({
        "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "order_id": order.id, "item_id": item_id,
        "quantity": quantity,
    });
    telemetry::info("order.opened", &line);
    Ok(Outcome::Short { left })
}
