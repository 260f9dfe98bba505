//! One purchase. A guarded statement takes it from the stock. If the stock is too small, the purchase becomes an order of
//! production, unless the item has an open order.

use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, TxOpts, Value as Id};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{ORDERS, SHELF};
use crate::data::database::{self, Database};
use crate::events::attributes::{Attributes, Empty};
use crate::events::outbox::{self, Publication};
use crate::http::edge::Caller;
use crate::stock::purchases::{self, Answer, Once};
use crate::stock::{self, Decision, orders, values as names};
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
                requester => names::name(requester)?.to_owned(),
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
) -> anyhow::Result<Once<Outcome>> {
    if key.is_none()
        && let Some(left) = database::attempts(|| take(database, purchase)).await?
    {
        tell_sold(purchase, left, caller);
        return Ok(Once::Now(Outcome::Done(Answer { is_sold: true, left })));
    }
    let request = purchases::digest(&[&purchase.item_name, &purchase.requester], purchase.quantity);
    purchases::once(database, key, &request, || decide(database, purchase, key, &request, caller)).await
}

const FACTORY: &str =
    "SELECT factory_id, factories.name FROM factories JOIN items USING (factory_id) WHERE item_id = ?";

/// Takes a purchase from the stock with one statement. `None` if there is too little, or no such item.
async fn take(database: &Database, purchase: &Purchase) -> anyhow::Result<Option<i64>> {
    let mut connection = database.primary.connection().await?;
    stock::take(&mut *connection, &SHELF, &purchase.item_name, purchase.quantity).await
}

/// Sells or orders, in one transaction. If there is a key, it is kept together with the answer.
async fn decide(
    database: &Database,
    purchase: &Purchase,
    key: Option<&str>,
    request: &[u8; 32],
    caller: &Caller,
) -> anyhow::Result<Outcome> {
    let Purchase { item_name, quantity, .. } = purchase;
    let mut connection = database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let decision = stock::decide(&mut transaction, &SHELF, item_name, *quantity).await?;
    let (answer, order) = match decision {
        Decision::NoSuchProduct => {
            transaction.rollback().await?;
            return Ok(Outcome::NoSuchItem);
        }
        Decision::Sold(left) => (Answer { is_sold: true, left }, None),
        Decision::Short(item) => {
            let order = order(&mut transaction, purchase, &item.id).await?;
            let attributes = match order.attributes() {
                Ok(attributes) => attributes,
                Err(refusal) => {
                    transaction.rollback().await?;
                    return Ok(Outcome::NotOrdered(refusal));
                }
            };
            let Order { id, quantity, requester, .. } = &order;
            let is_opened = orders::open(&mut transaction, &SHELF, id, &item.id, *quantity, requester).await?;
            if is_opened {
                publish(&mut transaction, &order, &attributes, caller).await?;
            }
            (Answer { is_sold: false, left: item.left }, is_opened.then_some(order))
        }
    };
    purchases::keep(&mut transaction, key, request, answer).await?;
    transaction.commit().await?;
    match answer.is_sold {
        true => tell_sold(purchase, answer.left, caller),
        false => metrics::count("Missed", 1),
    }
    if let Some(order) = order {
        metrics::count("Ordered", 1);
        let line = json!({
            "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "order_id": order.id,
            "item_id": order.item_id, "quantity": quantity,
        });
        telemetry::info("order.opened", &line);
    }
    Ok(Outcome::Done(answer))
}

/// The order of what a purchase has missed.
async fn order(transaction: &mut Transaction<'_>, purchase: &Purchase, item: &Id) -> anyhow::Result<Order> {
    let Purchase { item_name, quantity, requester } = purchase;
    let factory: Option<(i32, String)> = transaction.exec_first(FACTORY, (item,)).await?;
    let (factory_id, factory_name) = factory.unwrap_or_default();
    Ok(Order {
        id: orders::new_id(),
        item_id: mysql_async::from_value_opt(item.clone())?,
        item_name: item_name.clone(),
        factory_id,
        factory_name,
        quantity: *quantity,
        requester: requester.clone(),
    })
}

async fn publish(
    transaction: &mut Transaction<'_>,
    order: &Order,
    attributes: &Attributes,
    caller: &Caller,
) -> anyhow::Result<()> {
    let item_name = names::plain(&order.item_name);
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

fn tell_sold(purchase: &Purchase, left: i64, caller: &Caller) {
    metrics::count("Sold", 1);
    let line = json!({
        "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "item_name": purchase.item_name,
        "quantity": purchase.quantity, "left": left,
    });
    telemetry::info("item.sold", &line);
}
