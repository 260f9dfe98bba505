//! Stock: what is sold from it, what is ordered for it, what is credited to it. It is written once, for all systems that
//! sell. A system says with a [`Shelf`] where its stock is.
//!
//! A sale goes this way: [`decide`] sells or says what is short; for what is short, the system [opens](orders::open) an
//! order and writes it to its outbox, in the same transaction; [`production`] takes the order from the queue to a factory;
//! and [`callback`] takes the answer of the factory into the stock.

pub mod callback;
mod credits;
pub mod factory;
pub mod orders;
pub mod product;
pub mod production;
pub mod purchases;
pub mod values;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Transaction, Value};

/// A table of products with a stock, and the names of its columns.
pub struct Shelf {
    pub table: &'static str,
    /// The column of the id. The table `orders` has a column of the same name.
    pub id: &'static str,
    /// The column of the name by which a product is asked for.
    pub name: &'static str,
    /// The column of the stock, an `INT` that is never below 0.
    pub left: &'static str,
}

/// A product that is locked until the end of the transaction.
#[derive(Debug)]
pub struct Product {
    pub id: Value,
    pub left: i64,
}

pub enum Decision {
    /// It is sold, and so much is left.
    Sold(i64),
    /// The stock is too small. The product stays locked, so that nothing is credited before the transaction ends.
    Short(Product),
    NoSuchProduct,
}

/// Takes from the stock, and gives what is left. `None` if there is too little, or no such product.
///
/// The stock cannot go below 0, whoever buys at the same time. What is left is the id that the connection has inserted
/// last, so that no other statement is needed to know it. The length is compared too, because MySQL compares names
/// without the spaces at their end.
pub async fn take(
    connection: &mut impl Queryable,
    shelf: &Shelf,
    name: &str,
    quantity: u32,
) -> anyhow::Result<Option<i64>> {
    let Shelf { table, name: column, left, .. } = shelf;
    let sql = format!(
        "UPDATE {table} SET {left} = LAST_INSERT_ID({left} - ?)
WHERE {column} = ? AND LENGTH({column}) = ? AND {left} >= ?"
    );
    changed(connection, sql, (quantity, name, name.len(), quantity)).await
}

/// Locks a product until the end of the transaction.
pub async fn lock(transaction: &mut Transaction<'_>, shelf: &Shelf, name: &str) -> anyhow::Result<Option<Product>> {
    let Shelf { table, id, name: column, left } = shelf;
    let sql = format!("SELECT {id}, {left} FROM {table} WHERE {column} = ? AND LENGTH({column}) = ? FOR UPDATE");
    let found: Option<(Value, i64)> = transaction.exec_first(sql, (name, name.len())).await?;
    Ok(found.map(|(id, left)| Product { id, left }))
}

/// Sells, or says why not.
pub async fn decide(
    transaction: &mut Transaction<'_>,
    shelf: &Shelf,
    name: &str,
    quantity: u32,
) -> anyhow::Result<Decision> {
    if let Some(left) = take(transaction, shelf, name, quantity).await? {
        return Ok(Decision::Sold(left));
    }
    let Some(product) = lock(transaction, shelf, name).await? else { return Ok(Decision::NoSuchProduct) };
    if product.left < i64::from(quantity) {
        return Ok(Decision::Short(product));
    }
    // Something was credited between the two statements.
    let left = take(transaction, shelf, name, quantity).await?;
    Ok(left.map_or(Decision::NoSuchProduct, Decision::Sold))
}

/// Adds to a stock, and gives what there is then. `None` if there is no such product, or no room in its column.
pub async fn put(
    transaction: &mut Transaction<'_>,
    shelf: &Shelf,
    product: &Value,
    quantity: u32,
) -> anyhow::Result<Option<i64>> {
    let Shelf { table, id, left, .. } = shelf;
    let sql =
        format!("UPDATE {table} SET {left} = LAST_INSERT_ID({left} + ?) WHERE {id} = ? AND {left} <= {} - ?", i32::MAX);
    changed(transaction, sql, (quantity, product, quantity)).await
}

/// Changes a stock, and gives the one that the statement has told. `None` if it has changed none.
async fn changed(
    connection: &mut impl Queryable,
    sql: String,
    parameters: impl Into<Params> + Send,
) -> anyhow::Result<Option<i64>> {
    let result = connection.exec_iter(sql, parameters.into()).await?;
    // The id 0 is told as none.
    let told = (result.affected_rows() == 1).then(|| result.last_insert_id().unwrap_or_default());
    result.drop_result().await?;
    Ok(told.map(i64::try_from).transpose()?)
}
