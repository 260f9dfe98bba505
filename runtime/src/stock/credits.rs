//! The credits, each once, with the stock that was told. Who sends the same callback again gets the same
//! answer.

use mysql_async::prelude::Queryable;

/// The stock that was told when this was credited.
pub async fn before(connection: &mut impl Queryable, name: &str) -> anyhow::Result<Option<i64>> {
    Ok(connection.exec_first("SELECT told FROM credits WHERE name = ?", (name,)).await?)
}

/// Keeps a credit, in the transaction that changes the stock. The error is
/// [`DUPLICATE`](crate::data::database::DUPLICATE) if it was kept before.
pub async fn keep(connection: &mut impl Queryable, name: &str, told: i64) -> anyhow::Result<()> {
    Ok(connection.exec_drop("INSERT INTO credits (name, told) VALUES (?, ?)", (name, told)).await?)
}
