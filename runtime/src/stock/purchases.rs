//! The purchases that were answered, by the `Idempotency-Key` that came with them. A client that got no answer sends its
//! purchase again under the same key, and gets the answer that was decided.

use mysql_async::Transaction;
use mysql_async::prelude::Queryable;
use sha2::{Digest, Sha256};

use crate::data::database::{self, Database};

/// The SQL of the table, for the migrations of a system.
pub const TABLE: &str = include_str!("../../migrations/stock/purchases.sql");

/// The statement that is run regularly. A client may send its purchase again for a day.
pub const TIDY: &str = "DELETE FROM purchases WHERE created_at < NOW(3) - INTERVAL 1 DAY LIMIT 10000";

/// An answer that a client got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub is_sold: bool,
    /// The stock after the purchase.
    pub left: i64,
}

/// The outcome of a purchase.
pub enum Once<T> {
    /// It was decided now.
    Now(T),
    /// This very purchase was answered before, with this answer.
    Replayed(Answer),
    /// The key belongs to an earlier purchase with another content.
    OtherRequest,
}

/// Decides a purchase in a transaction, which [keeps](keep) the answer. Under one key that happens once.
pub async fn once<T, F: Future<Output = anyhow::Result<T>>>(
    database: &Database,
    key: Option<&str>,
    request: &[u8; 32],
    decide: impl FnMut() -> F,
) -> anyhow::Result<Once<T>> {
    if let Some(key) = key
        && let Some(before) = before(database, key, request).await?
    {
        return Ok(before);
    }
    match (database::attempts(decide).await, key) {
        // The same purchase came twice at the same time, and the other was faster.
        (Err(error), Some(key)) if database::refusal(&error) == Some(database::DUPLICATE) => {
            before(database, key, request).await?.ok_or(error)
        }
        (decided, _) => Ok(Once::Now(decided?)),
    }
}

/// Keeps an answer under a key, in the transaction that decides it.
pub async fn keep(
    transaction: &mut Transaction<'_>,
    key: Option<&str>,
    request: &[u8; 32],
    answer: Answer,
) -> anyhow::Result<()> {
    let Some(key) = key else { return Ok(()) };
    let sql = "INSERT INTO purchases (name, request, is_sold, told) VALUES (?, ?, ?, ?)";
    Ok(transaction.exec_drop(sql, (key, &request[..], answer.is_sold, answer.left)).await?)
}

/// The answer under a key.
async fn before<T>(database: &Database, key: &str, request: &[u8; 32]) -> anyhow::Result<Option<Once<T>>> {
    let sql = "SELECT request, is_sold, told FROM purchases WHERE name = ?";
    let found = database::attempts(|| async {
        let mut connection = database.primary.connection().await?;
        Ok(connection.exec_first(sql, (key,)).await?)
    });
    let Some((before, is_sold, left)): Option<(Vec<u8>, bool, i64)> = found.await? else { return Ok(None) };
    Ok(Some(match before == request {
        true => Once::Replayed(Answer { is_sold, left }),
        false => Once::OtherRequest,
    }))
}

/// A digest of a purchase. The lengths are part of it, so that two purchases never give the same.
pub fn digest(parts: &[&str], quantity: u32) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(quantity.to_le_bytes());
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_purchase_has_another_digest() {
        let one = digest(&["ab", "c"], 1);
        assert_eq!(one, digest(&["ab", "c"], 1));
        for other in [digest(&["a", "bc"], 1), digest(&["ab", "c"], 2), digest(&["abc"], 1)] {
            assert_ne!(one, other);
        }
    }
}
