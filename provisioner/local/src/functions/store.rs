//! The accepted events, in a file. An event is there from the moment that it is accepted until it is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;

pub struct Store(Mutex<Connection>);

#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub id: String,
    pub event: Vec<u8>,
    pub trace: String,
    /// How often the function has failed with it.
    pub failures: u32,
    /// What the function answered last. It is there once the event is to go to the queue of failed events.
    pub last_failure: Option<Vec<u8>>,
}

/// How far the stream of a table is handled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Records before this time are passed over. It is in milliseconds since 1970.
    pub since: u64,
    /// The shard, and the sequence number of its last record that was handled.
    pub record: Option<(String, String)>,
}

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    -- Killing the process loses nothing. A power cut may take the last seconds.
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS events (
        id TEXT PRIMARY KEY, event BLOB NOT NULL, trace TEXT NOT NULL, due INTEGER NOT NULL,
        failures INTEGER NOT NULL DEFAULT 0, last_failure BLOB
    );
    CREATE INDEX IF NOT EXISTS by_time ON events (due);
    CREATE TABLE IF NOT EXISTS schedules (arn TEXT PRIMARY KEY, last INTEGER NOT NULL);
    -- How far the streams of tables are handled: until the record with this number of this shard. Before the first one
    -- the time counts.
    CREATE TABLE IF NOT EXISTS streams (
        source TEXT PRIMARY KEY, since INTEGER NOT NULL, shard TEXT, sequence TEXT
    );
";

impl Store {
    pub fn open(directory: &Path) -> Result<Store> {
        crate::supervisor::place::private_directory(directory)?;
        let path = directory.join("events.db");
        let open = || {
            let connection = Connection::open(&path)?;
            connection.execute_batch(TABLES)?;
            Ok::<_, rusqlite::Error>(connection)
        };
        Ok(Store(Mutex::new(open().with_context(|| format!("`{}`", path.display()))?)))
    }

    pub fn accept(&self, id: &str, event: &[u8], trace: &str, now: u64) -> Result<()> {
        self.db().execute(ACCEPT, params![id, event, trace, number(now)])?;
        Ok(())
    }

    /// Accepts the event of a schedule, and notes that its time has passed, both or neither.
    pub fn accept_scheduled(&self, arn: &str, at: u64, id: &str, event: &[u8], trace: &str) -> Result<()> {
        let mut db = self.db();
        let change = db.transaction()?;
        change.execute(ACCEPT, params![id, event, trace, number(at)])?;
        change.execute("INSERT OR REPLACE INTO schedules (arn, last) VALUES (?1, ?2)", params![arn, number(at)])?;
        Ok(change.commit()?)
    }

    /// The last time of a schedule. At the first look that is now.
    pub fn last(&self, arn: &str, now: u64) -> Result<u64> {
        let db = self.db();
        db.execute("INSERT OR IGNORE INTO schedules (arn, last) VALUES (?1, ?2)", params![arn, number(now)])?;
        let last: i64 = db.query_row("SELECT last FROM schedules WHERE arn = ?1", [arn], |row| row.get(0))?;
        Ok(last.unsigned_abs())
    }

    /// The events whose time has come, the oldest first.
    pub fn due(&self, now: u64, most: usize) -> Result<Vec<Accepted>> {
        let db = self.db();
        let mut query = db.prepare(
            "SELECT id, event, trace, failures, last_failure FROM events WHERE due <= ?1 ORDER BY due, rowid LIMIT ?2",
        )?;
        let found = query.query_map(params![number(now), most as i64], accepted)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The time of the next event after `now`.
    pub fn next_due(&self, now: u64) -> Result<Option<u64>> {
        let next = "SELECT due FROM events WHERE due > ?1 ORDER BY due LIMIT 1";
        let next: Option<i64> = self.db().query_row(next, [number(now)], |row| row.get(0)).optional()?;
        Ok(next.map(i64::unsigned_abs))
    }

    pub fn failed(&self, id: &str, due: u64) -> Result<()> {
        self.db()
            .execute("UPDATE events SET failures = failures + 1, due = ?2 WHERE id = ?1", params![id, number(due)])?;
        Ok(())
    }

    /// Notes that the function is not tried again with the event. It goes to the queue of failed events.
    pub fn gave_up(&self, id: &str, last_failure: &[u8], due: u64) -> Result<()> {
        let change = "UPDATE events SET failures = failures + 1, last_failure = ?2, due = ?3 WHERE id = ?1";
        self.db().execute(change, params![id, last_failure, number(due)])?;
        Ok(())
    }

    pub fn postpone(&self, id: &str, due: u64) -> Result<()> {
        self.db().execute("UPDATE events SET due = ?2 WHERE id = ?1", params![id, number(due)])?;
        Ok(())
    }

    pub fn done(&self, id: &str) -> Result<()> {
        self.db().execute("DELETE FROM events WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Notes the tables that are sources, each with the time at which it became one. The others are forgotten.
    pub fn begin_streams(&self, tables: &[(&str, u64)]) -> Result<()> {
        let mut db = self.db();
        let change = db.transaction()?;
        let names = serde_json::to_string(&tables.iter().map(|(table, _)| table).collect::<Vec<_>>())?;
        change.execute("DELETE FROM streams WHERE source NOT IN (SELECT value FROM json_each(?1))", [names])?;
        for (table, since) in tables {
            let note = "INSERT OR IGNORE INTO streams (source, since) VALUES (?1, ?2)";
            change.execute(note, params![table, number(*since)])?;
        }
        Ok(change.commit()?)
    }

    /// How far the stream of each table is handled.
    pub fn streams(&self) -> Result<BTreeMap<String, Checkpoint>> {
        let db = self.db();
        let mut query = db.prepare("SELECT source, since, shard, sequence FROM streams")?;
        let checkpoints = query.query_map([], |row| {
            let since: i64 = row.get(1)?;
            let record: Option<(String, String)> = row.get::<_, Option<String>>(2)?.zip(row.get(3)?);
            Ok((row.get(0)?, Checkpoint { since: since.unsigned_abs(), record }))
        })?;
        Ok(checkpoints.collect::<Result<_, _>>()?)
    }

    /// Notes that a shard is handled up to a record.
    pub fn handled(&self, table: &str, shard: &str, sequence: &str) -> Result<()> {
        let change = "UPDATE streams SET shard = ?2, sequence = ?3 WHERE source = ?1";
        self.db().execute(change, params![table, shard, sequence])?;
        Ok(())
    }

    pub fn count(&self) -> usize {
        let count = self.db().query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0));
        count.map_or(0, |count| count as usize)
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A change is one statement or one transaction: a panic leaves none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ACCEPT: &str = "INSERT INTO events (id, event, trace, due) VALUES (?1, ?2, ?3, ?4)";

fn accepted(row: &Row<'_>) -> rusqlite::Result<Accepted> {
    let (id, event, trace) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Accepted { id, event, trace, failures: row.get(3)?, last_failure: row.get(4)? })
}

fn number(milliseconds: u64) -> i64 {
    milliseconds as i64
}

/// The time in milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The time as Lambda writes it: `2026-01-31T12:00:00.000Z`.
pub fn timestamp(at: u64) -> String {
    let nanoseconds = i128::from(at) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = time.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", time.date())
}

/// A trace id, which nothing is traced by.
pub fn trace_id() -> String {
    format!(
        "Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0",
        now_ms() / 1000,
        fastrand::u128(..) >> 32,
        fastrand::u64(..)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_there_after_a_kill_and_gone_when_it_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.accept("b", b"2", "t", 10).unwrap();
        store.accept("a", b"1", "t", 10).unwrap();
        store.accept("later", b"3", "t", 30).unwrap();
        assert!(store.accept("a", b"1", "t", 10).is_err());
        store.failed("b", 20).unwrap();
        // Another connection sees what a killed process has left.
        let store = Store::open(directory.path()).unwrap();
        let ids = |now| store.due(now, 9).unwrap().into_iter().map(|it| (it.id, it.failures)).collect::<Vec<_>>();
        assert_eq!(ids(9), []);
        assert_eq!(ids(19), [("a".to_owned(), 0)]);
        assert_eq!(ids(29), [("a".to_owned(), 0), ("b".to_owned(), 1)]);
        assert_eq!((store.next_due(19).unwrap(), store.next_due(30).unwrap()), (Some(20), None));
        store.gave_up("a", b"no", 15).unwrap();
        assert_eq!(store.due(19, 9).unwrap()[0].last_failure.as_deref(), Some(&b"no"[..]));
        store.done("a").unwrap();
        assert_eq!(store.count(), 2);
    }

    #[test]
    fn a_schedule_goes_on_from_its_last_time() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!((store.last("rule", 100).unwrap(), store.last("rule", 200).unwrap()), (100, 100));
        store.accept_scheduled("rule", 160, "a", b"{}", "t").unwrap();
        assert_eq!(store.last("rule", 300).unwrap(), 160);
        assert!(store.accept_scheduled("rule", 220, "a", b"{}", "t").is_err());
        assert_eq!(store.last("rule", 300).unwrap(), 160);
    }

    #[test]
    fn a_stream_goes_on_from_its_last_record() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.begin_streams(&[("a", 100), ("b", 0)]).unwrap();
        store.begin_streams(&[("a", 200)]).unwrap();
        let since = |since| Checkpoint { since, record: None };
        assert_eq!(store.streams().unwrap(), BTreeMap::from([("a".to_owned(), since(100))]));
        store.handled("a", "shard", "7").unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.begin_streams(&[("a", 300), ("b", 300)]).unwrap();
        let handled = Checkpoint { since: 100, record: Some(("shard".to_owned(), "7".to_owned())) };
        let all = BTreeMap::from([("a".to_owned(), handled), ("b".to_owned(), since(300))]);
        assert_eq!(store.streams().unwrap(), all);
    }

    #[test]
    fn times_have_three_digits_of_a_second() {
        assert_eq!(timestamp(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
    }
}
