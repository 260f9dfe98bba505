//! Lists of all reservations, or of those that a term finds.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hyper::body::Bytes;
use mysql_async::prelude::Queryable;

use super::super::reservation::{COLUMNS, LONGEST, Reservation};
use super::{From, Service};
use crate::data::database::{READ_TIMEOUT, Server};

pub struct Ask {
    /// The term is in the departure, the destination or the name. The empty term finds all.
    pub term: String,
    /// Only reservations with a larger id.
    pub after: Option<i32>,
    pub limit: Option<u32>,
}

/// The stamp that the lists have now, and when this process first saw it. What the stamp stands for was committed
/// before that.
#[derive(Default)]
pub struct Stamps(Mutex<Option<(String, Instant)>>);

/// The reservations of one answer. A client that needs more pages through them, with `after` and `limit`.
pub const PAGE: u32 = 500;
/// The most that a client may ask for at once.
pub const MOST: u32 = 1_000;

pub async fn find(service: &Service, ask: Ask) -> anyhow::Result<(Bytes, From)> {
    // No column holds so long a text.
    if ask.term.chars().count() > LONGEST {
        return Ok((Bytes::from_static(b"[]"), From::DatabaseAlone));
    }
    if ask.after.is_some() || ask.limit.is_some() {
        return Ok((load(service, &ask, false).await?, From::DatabaseAlone));
    }
    let Ok(list) = service.cache.list(&ask.term).await else {
        return Ok((load(service, &ask, false).await?, From::DatabaseAlone));
    };
    if let Some(body) = list.body {
        return Ok((body, From::Cache));
    }
    let replica_will_do = service.freshness.passed(service.stamps.first_seen(&list.stamp));
    let key = format!("{}:{}", list.stamp, ask.term);
    let loading = async {
        let body = load(service, &ask, replica_will_do).await?;
        let _ = service.cache.keep_list(&ask.term, &list.stamp, &body).await;
        Ok(body)
    };
    Ok((service.lists.join(key, loading).await?, From::Database))
}

impl Stamps {
    fn first_seen(&self, stamp: &str) -> Instant {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((known, when)) if known == stamp => *when,
            _ => {
                let now = Instant::now();
                *seen = Some((stamp.to_owned(), now));
                now
            }
        }
    }
}

async fn load(service: &Service, ask: &Ask, replica_will_do: bool) -> anyhow::Result<Bytes> {
    let first = service.reader(replica_will_do);
    let rows = match (select(first, ask).await, service.other(first)) {
        (Err(_), Some(second)) => select(second, ask).await?,
        (rows, _) => rows?,
    };
    Ok(serde_json::to_vec(&rows)?.into())
}

async fn select(server: &Server, ask: &Ask) -> anyhow::Result<Vec<Reservation>> {
    let asked = async {
        let mut connection = server.connection().await?;
        let after = ask.after.unwrap_or(0);
        let limit = ask.limit.unwrap_or(PAGE).min(MOST);
        if ask.term.is_empty() {
            let select = format!("SELECT {COLUMNS} FROM reservations WHERE id > ? ORDER BY id LIMIT ?");
            return anyhow::Ok(connection.exec(select, (after, limit)).await?);
        }
        let like = pattern(&ask.term);
        let select = format!(
            "SELECT {COLUMNS} FROM reservations WHERE id > ? AND \
             (departure LIKE ? OR destination LIKE ? OR user_name LIKE ?) ORDER BY id LIMIT ?"
        );
        Ok(connection.exec(select, (after, &like, &like, &like, limit)).await?)
    };
    server.within(READ_TIMEOUT, asked).await
}

/// The pattern for the term anywhere in a text. No character of the term is a wildcard.
fn pattern(term: &str) -> String {
    let mut pattern = String::from("%");
    for c in term.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_term_is_a_wildcard() {
        assert_eq!(pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }

    #[test]
    fn a_stamp_is_as_old_as_its_first_sight() {
        let stamps = Stamps::default();
        let first = stamps.first_seen("1");
        assert_eq!(stamps.first_seen("1"), first);
        assert!(stamps.first_seen("2") >= first);
    }
}
