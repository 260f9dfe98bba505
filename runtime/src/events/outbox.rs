//! The outbox. The effects that have to follow a change are committed together with it, in the table `effects`.

use std::fmt;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, FromRowError, Row, Transaction};

use super::attributes::Attributes;
use crate::data::database::Literal;
use crate::telemetry::trace::Trace;

/// The SQL of the table, for the migrations of a system.
pub const TABLE: &str = include_str!("../../migrations/outbox.sql");

/// The beginning of the statement. The rows follow, with commas between them.
pub const INSERT: &str =
    "INSERT INTO effects (effect, target, subject, version, message, title, attributes, traceparent) VALUES ";

/// A message to a topic: a row of the outbox.
pub struct Publication<'a> {
    /// The name that the system gives the topic.
    pub topic: &'a str,
    /// The thing that changed. Messages about one thing are published one after the other.
    pub subject: Value<'a>,
    /// The version of the thing after the change.
    pub version: u32,
    pub message: Value<'a>,
    /// The `Subject` of the message.
    pub title: Option<&'a str>,
    pub attributes: &'a Attributes,
    pub trace: &'a Trace,
}

/// A value in a row.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Text(&'a str),
    /// SQL, for a value that only the database knows before the transaction ends, such as `LAST_INSERT_ID()`.
    Sql(&'a str),
}

/// An effect that is still to be done.
pub struct Pended {
    pub id: u64,
    pub subject: String,
    pub version: u32,
    pub message: Option<String>,
    pub title: Option<String>,
    /// The attributes as JSON of [`Attributes`].
    pub attributes: Option<String>,
    pub traceparent: String,
}

impl Publication<'_> {
    /// The row, as SQL.
    pub fn row(&self) -> anyhow::Result<String> {
        let Publication { topic, subject, version, message, title, attributes, trace } = self;
        let topic = Literal(topic);
        let or_null = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), |text| Literal(text).to_string());
        let title = or_null(*title);
        let attributes = match attributes.is_empty() {
            true => or_null(None),
            false => or_null(Some(&serde_json::to_string(attributes)?)),
        };
        Ok(format!("('publish', {topic}, {subject}, {version}, {message}, {title}, {attributes}, '{trace}')"))
    }
}

/// The row, as SQL, that makes a cache forget what it has of a thing.
pub fn invalidation(target: &str, subject: Value<'_>, version: u32, trace: &Trace) -> String {
    let target = Literal(target);
    format!("('invalidate', {target}, {subject}, {version}, NULL, NULL, NULL, '{trace}')")
}

/// Puts rows into the outbox, and gives the id of the first.
pub async fn insert(transaction: &mut Transaction<'_>, rows: &[String]) -> anyhow::Result<u64> {
    transaction.query_drop(format!("{INSERT}{}", rows.join(", "))).await?;
    // With several rows this is the id of the first.
    Ok(transaction.last_insert_id().unwrap_or_default())
}

/// Reads the oldest effects on a target.
pub async fn pended(connection: &mut Conn, effect: &str, target: &str) -> anyhow::Result<Vec<Pended>> {
    Ok(connection.exec(SELECT, (effect, target)).await?)
}

/// Deletes effects that are done.
pub async fn forget(connection: &mut Conn, done: &[u64]) -> anyhow::Result<()> {
    let ids: Vec<String> = done.iter().map(u64::to_string).collect();
    Ok(connection.query_drop(format!("DELETE FROM effects WHERE id IN ({})", ids.join(", "))).await?)
}

/// How many effects are still to be done.
pub async fn depth(connection: &mut Conn) -> anyhow::Result<u64> {
    let depth: Option<u64> = connection.query_first("SELECT COUNT(*) FROM effects").await?;
    Ok(depth.unwrap_or_default())
}

/// The targets of the effects that are still to be done.
pub async fn targets(connection: &mut Conn) -> anyhow::Result<Vec<String>> {
    Ok(connection.query("SELECT DISTINCT target FROM effects").await?)
}

const SELECT: &str = "SELECT id, subject, version, message, title, attributes, traceparent
FROM effects WHERE effect = ? AND target = ? ORDER BY id LIMIT 100";

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => Literal(text).fmt(f),
            Value::Sql(sql) => f.write_str(sql),
        }
    }
}

impl FromRow for Pended {
    fn from_row_opt(row: Row) -> Result<Self, FromRowError> {
        let (id, subject, version, message, title, attributes, traceparent) = FromRow::from_row_opt(row)?;
        Ok(Pended { id, subject, version, message, title, attributes, traceparent })
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes::Attribute;
    use super::*;

    #[test]
    fn no_text_of_an_event_is_sql() {
        let odd = "'); DROP TABLE effects; -- \\";
        let attributes = Attributes::new([("a", Attribute::text(odd))]).unwrap();
        let publication = Publication {
            topic: odd,
            subject: Value::Text(odd),
            version: 1,
            message: Value::Text(odd),
            title: Some(odd),
            attributes: &attributes,
            trace: &Trace::begin(),
        };
        let rows = [invalidation(odd, Value::Text(odd), 1, &Trace::begin()), publication.row().unwrap()];
        for row in rows {
            assert!(!row.contains("DROP") && !row.contains('\\'), "{row}");
        }
    }
}
