//! What the front keeps and looks up by itself: which tables are declared, and the records of streams in the engine's
//! file. The engine has no operation that trims or counts records, so this reads and trims its table of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, params};

use super::config::Behind;

pub struct Kept {
    /// Our own file. The engine's is attached to it, as `engine`.
    db: Mutex<Connection>,
}

const OURS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS declared (name TEXT PRIMARY KEY);
    -- The number of the last record of a stream that was trimmed.
    CREATE TABLE IF NOT EXISTS trimmed (stream TEXT PRIMARY KEY, number INTEGER NOT NULL);
";

/// The engine looks for the last number of a stream at each write, and has no index for it.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS provision_records
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER), shard_id)";

/// The records that are deleted at a time. The engine's writes wait meanwhile.
const AT_A_TIME: i64 = 500;

pub fn add_indexes(engine: &Path) -> Result<()> {
    let open = || {
        let connection = Connection::open(engine)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(INDEX)
    };
    open().with_context(|| format!("`{}`", engine.display()))
}

impl Kept {
    pub fn open(directory: &Path) -> Result<Kept> {
        let path = directory.join("front.db");
        let engine: PathBuf = directory.join("tables.db");
        let open = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.execute_batch(OURS)?;
            connection.execute("ATTACH ?1 AS engine", [engine.to_string_lossy()])?;
            Ok::<_, rusqlite::Error>(connection)
        };
        Ok(Kept { db: Mutex::new(open().with_context(|| format!("`{}`", path.display()))?) })
    }

    /// The names of the declared tables.
    pub fn declared(&self) -> Result<BTreeSet<String>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT name FROM declared")?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    pub fn declare(&self, name: &str) -> Result<()> {
        self.db().execute("INSERT OR IGNORE INTO declared (name) VALUES (?1)", [name])?;
        Ok(())
    }

    pub fn forget(&self, name: &str) -> Result<()> {
        self.db().execute("DELETE FROM declared WHERE name = ?1", [name])?;
        Ok(())
    }

    /// How many records after `after` fit into an answer of this many bytes. The first one always does.
    pub fn fitting(&self, table: &str, after: i64, most: i64, bytes: i64) -> Result<usize> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT length(keys_json) + ifnull(length(new_image), 0) + ifnull(length(old_image), 0) + 400
             FROM engine._stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) > ?2
             ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3",
        )?;
        let mut sizes = query.query(params![table, after, most])?;
        let (mut count, mut whole) = (0, 0);
        while let Some(row) = sizes.next()? {
            whole += row.get::<_, i64>(0)?;
            if count > 0 && whole > bytes {
                break;
            }
            count += 1;
        }
        Ok(count.max(1))
    }

    /// The records after `after`.
    pub fn behind(&self, table: &str, after: i64) -> Result<Behind> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT count(*), min(CAST(sequence_number AS INTEGER)) FROM engine._stream_records
             WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) > ?2",
        )?;
        let counted = query.query_row(params![table, after], |row| {
            let (records, oldest): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(Behind { records: records.unsigned_abs(), oldest: oldest.map(|number| number.unsigned_abs() / 1000) })
        });
        Ok(counted?)
    }

    /// The number of the last record of this stream that was trimmed.
    pub fn trimmed(&self, stream: &str) -> Result<Option<i64>> {
        let db = self.db();
        let mut query = db.prepare_cached("SELECT number FROM trimmed WHERE stream = ?1")?;
        Ok(query.query_row([stream], |row| row.get(0)).optional()?)
    }

    /// Deletes the records of a table up to a number. The number is noted first, so that a killed service knows it.
    pub fn trim(&self, table: &str, stream: &str, number: i64) -> Result<()> {
        let Some(last) = self.last_until(table, number)? else { return Ok(()) };
        self.db().execute("INSERT OR REPLACE INTO trimmed (stream, number) VALUES (?1, ?2)", params![stream, last])?;
        self.delete("table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2", table, last)
    }

    /// Deletes the records of a table that is gone.
    pub fn delete_records(&self, table: &str) -> Result<()> {
        self.delete("table_name = ?1 AND ?2 = ?2", table, 0)
    }

    /// The tables that are gone, and of which there are records.
    pub fn strays(&self) -> Result<Vec<String>> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT DISTINCT table_name FROM engine._stream_records
             WHERE table_name NOT IN (SELECT table_name FROM engine._tables)",
        )?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    fn last_until(&self, table: &str, number: i64) -> Result<Option<i64>> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT CAST(sequence_number AS INTEGER) FROM engine._stream_records WHERE table_name = ?1
             AND CAST(sequence_number AS INTEGER) <= ?2 ORDER BY CAST(sequence_number AS INTEGER) DESC LIMIT 1",
        )?;
        Ok(query.query_row(params![table, number], |row| row.get(0)).optional()?)
    }

    fn delete(&self, which: &str, table: &str, number: i64) -> Result<()> {
        let statement = format!(
            "DELETE FROM engine._stream_records WHERE rowid IN
             (SELECT rowid FROM engine._stream_records WHERE {which} LIMIT {AT_A_TIME})"
        );
        loop {
            let deleted = self.db().execute(&statement, params![table, number])?;
            if deleted == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A change is one statement: a panic leaves none half done.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
