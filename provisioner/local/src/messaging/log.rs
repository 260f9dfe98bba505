//! The log. It is one file with one line for each group of records. Lines are only ever appended.
//!
//! A line is handed to the kernel before its request is answered, so that killing the process loses nothing that was
//! acknowledged. The file is not synced: a power cut may take the last seconds, and no laptop's queue is worth an
//! `fsync`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::record::Record;

pub struct Log {
    path: PathBuf,
    file: File,
    /// The length of all whole lines. After it there may be half a line, which the disk had no room for.
    length: u64,
    torn: bool,
    compact_at: u64,
    /// The lock, which is held as long as the log is open. Two processes that append would each overwrite what the
    /// other has written. A closed log has none, and takes no records.
    lock: Option<File>,
}

/// The size below which the log is not worth rewriting.
const SMALL: u64 = 8 * 1024 * 1024;

impl Log {
    /// Reads the log, and calls `apply` for each record.
    pub fn open(directory: &Path, mut apply: impl FnMut(Record)) -> io::Result<Log> {
        std::fs::create_dir_all(directory)?;
        let lock = File::create(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process uses {}", directory.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The file is left from a compaction that was not finished.
        remove_if_there(&directory.join(NEW))?;

        let path = directory.join("messages.log");
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let read = read(&file, &mut apply)?;
        if read.damaged {
            // A disk or an editor did this, and not a kill. The rest of the log is served, and the damaged log is kept
            // aside.
            std::fs::copy(&path, directory.join("messages.damaged"))?;
        }
        file.set_len(read.length)?;
        let compact_at = SMALL.max(read.length + read.length / 2);
        Ok(Log { path, file, length: read.length, torn: false, compact_at, lock: Some(lock) })
    }

    /// Appends all records, or, with an error, none.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if self.lock.is_none() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the service has stopped"));
        }
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let mut line = serde_json::to_vec(records)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // Half a line may be there. The next line must not be glued to it.
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Gives the directory free for the next service. A request or a hand-over that is still under way writes nothing
    /// after it.
    pub fn close(&mut self) {
        if let Some(lock) = self.lock.take() {
            // A child that is just being started shares the file until it runs its own program. It would hold the lock
            // if the file were only dropped.
            let _ = lock.unlock();
        }
    }

    pub fn wants_compaction(&self) -> bool {
        self.length >= self.compact_at
    }

    /// Replaces the log by `records`, which say the same in less. If the process is killed at any moment, either the
    /// old log or the new one is there.
    pub fn compact(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        // If the compaction fails for want of room, it is tried again only after the log has grown some more.
        self.compact_at = self.length + SMALL;
        let new = self.path.with_file_name(NEW);
        remove_if_there(&new)?;
        let file = OpenOptions::new().append(true).create_new(true).open(&new)?;
        let mut writer = BufWriter::new(&file);
        let mut length = 0;
        for record in records {
            let mut line = serde_json::to_vec(&[record])?;
            line.push(b'\n');
            writer.write_all(&line)?;
            length += line.len() as u64;
        }
        writer.flush()?;
        drop(writer);
        // This is the only sync: a rename may reach the disk before the data does, and then all would be gone.
        file.sync_data()?;
        std::fs::rename(&new, &self.path)?;
        self.file = file;
        self.length = length;
        self.torn = false;
        self.compact_at = SMALL.max(length * 2);
        Ok(())
    }
}

const NEW: &str = "messages.new";

struct Read {
    length: u64,
    damaged: bool,
}

fn read(file: &File, apply: &mut impl FnMut(Record)) -> io::Result<Read> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut read = Read { length: 0, damaged: false };
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            // This is the end, or the half line that a kill left. Nobody was told that the half line was there.
            return Ok(read);
        }
        read.length += bytes as u64;
        match serde_json::from_slice::<Vec<Record>>(&line) {
            Ok(records) => records.into_iter().for_each(&mut *apply),
            Err(_) => read.damaged = true,
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
