//! The journal of processes that were started and have not been seen to end. It is written before a process starts, so
//! that a supervisor that is killed at any moment leaves a trace of everything it made.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// An entry. It has no arguments and no environment, because those may hold secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Entry {
    /// From here on there may be a process whose id is not known. It carries the instance in its environment.
    Spawning {
        part: String,
    },
    Spawned {
        part: String,
        pid: i32,
        start: u64,
    },
    Exited {
        pid: i32,
    },
}

pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins an empty journal, on the disk.
    pub fn begin(path: &Path) -> Result<Journal> {
        let open = || {
            let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
            file.sync_all()?;
            Ok::<_, std::io::Error>(file)
        };
        let file = open().with_context(|| format!("journal `{}`", path.display()))?;
        Ok(Journal { path: path.to_owned(), file })
    }

    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("journal `{}`", self.path.display()))
    }
}

/// The ids and start times of processes that were not seen to end. A last line that was cut off does not count.
pub fn left(path: &Path) -> Vec<(i32, u64)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut left: Vec<(i32, u64)> = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Entry::Spawned { pid, start, .. }) => left.push((pid, start)),
            Ok(Entry::Exited { pid }) => left.retain(|(known, _)| *known != pid),
            Ok(Entry::Spawning { .. }) | Err(_) => {}
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_to_end_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::begin(&path).unwrap();
        for entry in [
            Entry::Spawning { part: "a".into() },
            Entry::Spawned { part: "a".into(), pid: 5, start: 50 },
            Entry::Spawned { part: "b".into(), pid: 6, start: 60 },
            Entry::Exited { pid: 5 },
        ] {
            journal.write(&entry).unwrap();
        }
        journal.file.write_all(b"{\"did\":\"exit").unwrap();
        assert_eq!(left(&path), [(6, 60)]);
        assert_eq!(left(&directory.path().join("none")), []);
    }
}
