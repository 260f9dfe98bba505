//! The orders of production. Each has one id on its whole way, to the factory and back. A product has at most one that is
//! open.

use mysql_async::prelude::Queryable;
use mysql_async::{Transaction, Value};

use super::Shelf;
use crate::data::database;

/// The statement that is run regularly.
///
/// No queue keeps a message for 30 days, so nothing will come of an order of then. The product can be ordered again. What
/// comes all the same is credited.
pub const TIDY: &str = "UPDATE orders SET is_open = NULL WHERE is_open = 1 AND ordered_at < NOW(3) - INTERVAL 30 DAY";

pub fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Opens an order for a product. `false` if the product has an open order, which stays as it is.
pub async fn open(
    transaction: &mut Transaction<'_>,
    shelf: &Shelf,
    order: &str,
    product: &Value,
    quantity: u32,
    requester: &str,
) -> anyhow::Result<bool> {
    let sql =
        format!("INSERT INTO orders (order_id, {}, quantity, requester, is_open) VALUES (?, ?, ?, ?, 1)", shelf.id);
    match transaction.exec_drop(sql, (order, product, quantity, requester)).await {
        Ok(()) => Ok(true),
        Err(error) if database::code(&error) == Some(database::DUPLICATE) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Closes an order, whether or not it is still open.
pub async fn close(transaction: &mut Transaction<'_>, order: &str) -> anyhow::Result<()> {
    let sql = "UPDATE orders SET is_open = NULL, delivered_at = NOW(3) WHERE order_id = ? AND is_open = 1";
    Ok(transaction.exec_drop(sql, (order,)).await?)
}
