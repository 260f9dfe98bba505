//! The history of a stack, for as long as it fits: the supervisor's chronicle, taken over into a database.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::supervisor::chronicle::Entry;
use crate::supervisor::place::Place;

/// The most events that are kept. With the longest texts they take some megabytes, usually one.
const KEPT: i64 = 5_000;
const LONGEST: usize = 1_000;
const PAGE: i64 = 100;

pub struct History(Connection);

#[derive(Debug, PartialEq, Serialize)]
pub struct Happened {
    pub id: i64,
    pub at: i64,
    pub part: String,
    pub what: String,
    pub text: String,
}

impl History {
    /// Opens the history. If it cannot be read, a new one takes its place. If it cannot be written, it is in memory
    /// until this process ends.
    pub fn open(path: &Path) -> History {
        let again = || {
            std::fs::rename(path, path.with_extension("broken"))?;
            History::at(Connection::open(path)?)
        };
        let history = Connection::open(path).map_err(Into::into).and_then(History::at).or_else(|_| again());
        history.or_else(|_| History::at(Connection::open_in_memory()?)).expect("SQLite has memory")
    }

    /// Takes over what the chronicle says since the last time, each event once. The place up to which the chronicle was
    /// read is in the same transaction.
    pub fn follow(&mut self, place: &Place) -> Result<()> {
        let stored: Option<(i64, i64)> = self
            .0
            .query_row("SELECT inode, position FROM reached", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (inode, position) = stored.unwrap_or_default();
        let path = place.chronicle();
        let Ok(now) = path.metadata() else { return Ok(()) };
        if now.ino() as i64 == inode {
            return if now.len() as i64 > position { self.take(&path, inode, position) } else { Ok(()) };
        }
        // The supervisor began another file. First the rest of the file before is read.
        let before = path.with_extension("1");
        if before.metadata().is_ok_and(|before| before.ino() as i64 == inode) {
            self.take(&before, inode, position)?;
        }
        self.take(&path, now.ino() as i64, 0)
    }

    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        let change = self.0.transaction()?;
        insert(&change, entry)?;
        Ok(change.commit()?)
    }

    /// The events before an id, the latest first.
    pub fn before(&self, id: Option<i64>, part: Option<&str>) -> Result<Vec<Happened>> {
        let mut query = self.0.prepare(
            "SELECT id, at, part, what, text FROM happened WHERE id < ?1 AND (?2 IS NULL OR part = ?2) ORDER BY id DESC LIMIT ?3",
        )?;
        let rows = query.query_map(params![id.unwrap_or(i64::MAX), part, PAGE], |row| {
            let (id, at, part) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Happened { id, at, part, what: row.get(3)?, text: row.get(4)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn at(connection: Connection) -> Result<History> {
        // A power cut may take the latest second, never the file.
        connection.execute_batch(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -256;
             CREATE TABLE IF NOT EXISTS happened (
                 id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, part TEXT NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL);
             CREATE INDEX IF NOT EXISTS happened_to ON happened (part, id);
             CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY CHECK (one = 1), inode INTEGER NOT NULL, position INTEGER NOT NULL);",
        )?;
        Ok(History(connection))
    }

    fn take(&mut self, path: &Path, inode: i64, position: i64) -> Result<()> {
        let mut file = File::open(path).with_context(|| format!("`{}`", path.display()))?;
        file.seek(SeekFrom::Start(position as u64))?;
        let mut bytes = Vec::new();
        file.take(4 << 20).read_to_end(&mut bytes)?;
        // The last line may be half written.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let change = self.0.transaction()?;
        for line in bytes[..whole].split(|byte| *byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                insert(&change, &entry)?;
            }
        }
        let reached = position + whole as i64;
        change.execute("INSERT OR REPLACE INTO reached VALUES (1, ?1, ?2)", params![inode, reached])?;
        change.execute("DELETE FROM happened WHERE id <= (SELECT max(id) FROM happened) - ?1", params![KEPT])?;
        Ok(change.commit()?)
    }
}

fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    let text: String = entry.text.chars().take(LONGEST).collect();
    let mut statement = connection.prepare("INSERT INTO happened (at, part, what, text) VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![entry.at as i64, entry.part, entry.what, text])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::chronicle;

    fn texts(history: &History) -> Vec<String> {
        history.before(None, None).unwrap().into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn nothing_is_lost_or_doubled_over_restarts_of_either_side() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let path = directory.path().join("history.db");
        chronicle::write(&place, "a", "starting", "one");
        let mut history = History::open(&path);
        history.follow(&place).unwrap();
        history.follow(&place).unwrap();
        drop(history);
        // This event is written while nobody follows, and another supervisor begins meanwhile.
        chronicle::write(&place, "a", "exited", "two");
        std::fs::rename(place.chronicle(), place.chronicle().with_extension("1")).unwrap();
        chronicle::write(&place, "b", "ready", "three");
        let mut history = History::open(&path);
        history.follow(&place).unwrap();
        history.follow(&place).unwrap();
        assert_eq!(texts(&history), ["three", "two", "one"]);
        let of_a = history.before(None, Some("a")).unwrap();
        assert_eq!(of_a.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(), ["exited", "starting"]);
        assert_eq!(history.before(Some(of_a[0].id), None).unwrap().len(), 1);
    }

    #[test]
    fn the_oldest_goes_and_texts_are_cut() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let path = directory.path().join("history.db");
        let long = "가".repeat(1_100);
        let line =
            |number: i64| serde_json::to_string(&Entry::now("a", "ready", &format!("{number} {long}"))).unwrap() + "\n";
        let mut history = History::open(&path);
        for round in 0..8 {
            let lines: String = (0..KEPT / 5).map(|number| line(round * KEPT / 5 + number)).collect();
            let mut all = std::fs::read(place.chronicle()).unwrap_or_default();
            all.extend(lines.as_bytes());
            std::fs::write(place.chronicle(), all).unwrap();
            for _ in 0..8 {
                history.follow(&place).unwrap();
            }
        }
        let count: i64 = history.0.query_row("SELECT count(*) FROM happened", [], |row| row.get(0)).unwrap();
        assert_eq!(count, KEPT);
        assert!(texts(&history)[0].starts_with(&format!("{} ", 8 * KEPT / 5 - 1)));
        assert!(path.metadata().unwrap().len() < 24 << 20);
    }

    #[test]
    fn a_broken_file_gives_way_and_a_missing_place_is_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        std::fs::write(&path, "no database at all, but long enough to be looked at".repeat(100)).unwrap();
        let mut history = History::open(&path);
        history.add(&Entry::now("a", "ready", "one")).unwrap();
        assert_eq!(texts(&history), ["one"]);
        assert!(path.with_extension("broken").exists());
        let mut nowhere = History::open(&directory.path().join("none/history.db"));
        nowhere.add(&Entry::now("a", "ready", "one")).unwrap();
        assert_eq!(texts(&nowhere), ["one"]);
    }
}
