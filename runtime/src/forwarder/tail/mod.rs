//! Follows files of lines that grow, are rotated and are truncated. The id of a line is made of its file and its place
//! there, so that reading it again changes nothing. A state file keeps how far each file was read. It is written before
//! lines are given out.
//!
//! A file is the same file under another name. It is another file if its first line has changed, or if it is shorter
//! than the part that was read. Then it was truncated. If a copy with the old content stands beside it, the rest is
//! read from the copy.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::payload::LogEvent;
use crate::telemetry;

pub struct Tail {
    paths: Vec<PathBuf>,
    state: PathBuf,
    /// The files by the key that the file system has for them, whatever their names are.
    files: BTreeMap<String, Followed>,
    /// The open files. They can be read to their end after they were removed.
    open: BTreeMap<String, File>,
    /// The lines that were given out last and are not done with: the file's key, and the place where they end.
    given: Option<(String, u64)>,
    /// Whether the state file is behind.
    unsaved: bool,
}

/// Lines of one file, in their order.
pub struct Lines {
    pub path: String,
    pub events: Vec<LogEvent>,
}

impl Tail {
    pub fn open(paths: Vec<PathBuf>, state: PathBuf) -> anyhow::Result<Self> {
        let files = match fs::read(&state) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is not ours", state.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", state.display())),
        };
        Ok(Tail { paths, state, files, open: BTreeMap::new(), given: None, unsaved: false })
    }

    /// Gives the next lines, if there are any now. It gives the same lines again until they are [`done`](Tail::done).
    pub fn next(&mut self) -> anyhow::Result<Option<Lines>> {
        self.given = None;
        self.look()?;
        let now = milliseconds(SystemTime::now());
        // The files that were rotated away come first: they hold the older lines.
        let (current, rotated): (Vec<_>, Vec<_>) = self.files.keys().cloned().partition(|key| self.files[key].current);
        for key in rotated.into_iter().chain(current) {
            let (Some(file), Some(followed)) = (self.open.get(&key), self.files.get_mut(&key)) else { continue };
            match followed.current {
                // The first line may have come since `look`. But no line is given out before there are ids for the
                // lines of the file.
                true if followed.first.is_none() => continue,
                false if followed.first.is_none() => followed.identify(&key, String::new()),
                _ => {}
            }
            let chunk = followed.read(file).with_context(|| format!("reading {}", followed.path.display()))?;
            if chunk.is_empty() {
                continue;
            }
            let end = followed.position + chunk.len() as u64;
            let at = followed.reading.map_or(now, |reading| reading.at);
            followed.reading = Some(Reading { end, at });
            let lines = Lines { path: followed.path.display().to_string(), events: followed.events(&chunk, at) };
            self.given = Some((key, end));
            self.save()?;
            return Ok(Some(lines));
        }
        if self.unsaved {
            self.save()?;
        }
        Ok(None)
    }

    /// Notes that the lines that were given out last are done with. The next call of `next` keeps that in the state
    /// file.
    pub fn done(&mut self) {
        let Some((key, end)) = self.given.take() else { return };
        if let Some(followed) = self.files.get_mut(&key) {
            followed.position = end;
            followed.reading = None;
            self.unsaved = true;
        }
    }

    /// Finds out which files there are now.
    fn look(&mut self) -> anyhow::Result<()> {
        let before = self.files.clone();
        self.files.values_mut().for_each(|followed| followed.current = false);
        for path in self.paths.clone() {
            self.look_at(&path).with_context(|| format!("reading {}", path.display()))?;
        }
        for (key, followed) in &self.files {
            // After a start, a followed file may have another name by now.
            if !self.open.contains_key(key) {
                let found = beside(&followed.path).into_iter().find(|(other, _)| other == key);
                self.open.extend(found.and_then(|(key, path)| Some((key, File::open(path).ok()?))));
            }
        }
        let open = &mut self.open;
        self.files.retain(|key, followed| match open.get(key) {
            Some(file) => followed.current || !followed.ended(file),
            None => {
                telemetry::warn("log_file_gone", &json!({ "path": followed.path, "read": followed.position }));
                false
            }
        });
        open.retain(|key, _| self.files.contains_key(key));
        self.unsaved |= self.files != before;
        Ok(())
    }

    fn look_at(&mut self, path: &Path) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let (key, first) = (key(&file.metadata()?), first_line(&file)?);
        let mut generation = 0;
        if let Some(known) = self.files.get(&key).cloned() {
            generation = known.generation;
            if known.first.is_some() && (known.first != first || known.position > file.metadata()?.len()) {
                generation += 1;
                self.files.remove(&key);
                self.follow_copy(known, path);
            }
        }
        let followed = self.files.entry(key.clone()).or_insert_with(|| Followed {
            path: path.to_owned(),
            generation,
            first: None,
            id: String::new(),
            position: 0,
            reading: None,
            current: true,
        });
        followed.current = true;
        if let (None, Some(first)) = (&followed.first, first) {
            followed.identify(&key, first);
        }
        self.open.entry(key).or_insert(file);
        Ok(())
    }

    /// Follows the rest of a truncated file in the copy that was made of it before.
    fn follow_copy(&mut self, truncated: Followed, path: &Path) {
        for (key, path) in beside(path) {
            let Ok(file) = File::open(path) else { continue };
            let longer = file.metadata().is_ok_and(|metadata| metadata.len() > truncated.position);
            if longer && !self.files.contains_key(&key) && first_line(&file).ok() == Some(truncated.first.clone()) {
                self.files.insert(key.clone(), Followed { current: false, ..truncated });
                self.open.insert(key, file);
                return;
            }
        }
    }

    /// Writes the state file. Whatever happens meanwhile, the file is whole: the old one or the new one.
    fn save(&mut self) -> anyhow::Result<()> {
        let new = self.state.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&self.files)?)?;
            file.sync_data()?;
            fs::rename(&new, &self.state)
        };
        write().with_context(|| format!("writing {}", self.state.display()))?;
        self.unsaved = false;
        Ok(())
    }
}

/// The longest line, in bytes. A longer line comes in pieces.
const LONGEST: usize = 1024 * 1024;
/// How much of a file's first line tells it from other files, in bytes. It is enough, because our lines begin with
/// their time.
const FIRST: usize = 1024;
/// After these times without a change nothing more is expected of a file that was rotated away: no rest of a line that
/// has begun, and no further line.
const LINE_ENDS: Duration = Duration::from_secs(5);
const FILE_ENDS: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Followed {
    path: PathBuf,
    /// How often the file was truncated.
    generation: u32,
    /// The hash of its first line, once there is one.
    first: Option<String>,
    /// The beginning of the ids of its lines.
    id: String,
    position: u64,
    /// The end of the lines that were given out, and their time. If they are given out again, they are the same lines
    /// with the same time.
    reading: Option<Reading>,
    /// Whether the file still has its name.
    #[serde(skip)]
    current: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Reading {
    end: u64,
    /// The time of lines that do not themselves say when they were written, in milliseconds since 1970.
    at: i64,
}

impl Followed {
    fn identify(&mut self, key: &str, first: String) {
        self.id = hash(format!("{key} {} {first}", self.generation).as_bytes());
        self.first = Some(first);
    }

    /// Reads whole lines.
    fn read(&self, file: &File) -> io::Result<Vec<u8>> {
        if file.metadata()?.len() <= self.position {
            return Ok(Vec::new());
        }
        let given = self.reading.map(|reading| (reading.end - self.position) as usize);
        let mut bytes = vec![0; given.unwrap_or(LONGEST)];
        let length = fill(file, &mut bytes, self.position)?;
        bytes.truncate(length);
        let complete = match bytes.iter().rposition(|byte| *byte == b'\n') {
            _ if given == Some(length) => length,
            Some(newline) => newline + 1,
            None if length == LONGEST => whole_characters(&bytes),
            None if !self.current && quiet(file, LINE_ENDS) => length,
            None => 0,
        };
        bytes.truncate(complete);
        Ok(bytes)
    }

    fn events(&self, chunk: &[u8], at: i64) -> Vec<LogEvent> {
        let mut events = Vec::new();
        let mut offset = self.position;
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.trim().is_empty() {
                let timestamp = written_at(text).unwrap_or(at);
                events.push(LogEvent { id: format!("{}-{offset}", self.id), timestamp, message: text.to_owned() });
            }
            offset += line.len() as u64;
        }
        events
    }

    fn ended(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|metadata| metadata.len() <= self.position) && quiet(file, FILE_ENDS)
    }
}

/// The time that the line itself gives, in milliseconds since 1970.
fn written_at(line: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Line {
        timestamp: String,
    }
    let Line { timestamp } = serde_json::from_str(line).ok()?;
    let time = OffsetDateTime::parse(&timestamp, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// The length without the last character, if that is cut off.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| byte & 0xC0 != 0x80).unwrap_or_default();
    match std::str::from_utf8(&bytes[last..]) {
        Err(_) if last > 0 => last,
        _ => bytes.len(),
    }
}

fn quiet(file: &File, time: Duration) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|since| since > time))
}

fn fill(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], position + length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// The hash of the first line. `None` until the line is complete, because the hash must not change later.
fn first_line(file: &File) -> io::Result<Option<String>> {
    let mut bytes = [0; FIRST];
    let length = fill(file, &mut bytes, 0)?;
    let newline = bytes[..length].iter().position(|byte| *byte == b'\n');
    let complete = newline.or((length == FIRST).then_some(length));
    Ok(complete.map(|end| hash(&bytes[..end])))
}

/// The key of a file: the numbers that the file system has for it, and the time of its creation. The file system reuses
/// the numbers of removed files, hence the time.
fn key(metadata: &Metadata) -> String {
    let created = metadata.created().map_or(0, milliseconds);
    format!("{:x}-{:x}-{created:x}", metadata.dev(), metadata.ino())
}

/// The files whose names begin like the name of this one.
fn beside(path: &Path) -> Vec<(String, PathBuf)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() && entry.file_name().to_string_lossy().starts_with(&stem) => {
                files.push((key(&metadata), entry.path()));
            }
            _ => {}
        }
    }
    files
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn hash(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
