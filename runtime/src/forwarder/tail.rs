//! Files of lines that grow, are rotated and truncated. A line's id is made of its file and its place there, so that
//! reading it again changes nothing; what was read is kept in a file, which is written before lines are given out.
//!
//! A file is the same file under another name. It is another file when its first line is not what it was, or when it is
//! shorter than what was read of it: then it was truncated, and if what was there before stands in a copy beside it, the
//! rest is read from the copy.

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
    /// By what a file is called by the file system, whatever its name.
    files: BTreeMap<String, Followed>,
    /// They can be read to their end after they were removed.
    open: BTreeMap<String, File>,
    /// What was given out last and is not done with.
    given: Option<(String, u64)>,
    /// What is kept is behind.
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

    /// The next lines, if there are any now. The same again until they are [`done`](Tail::done).
    pub fn next(&mut self) -> anyhow::Result<Option<Lines>> {
        self.given = None;
        self.look()?;
        let now = milliseconds(SystemTime::now());
        // Those that were rotated away hold the older lines.
        let (current, rotated): (Vec<_>, Vec<_>) = self.files.keys().cloned().partition(|key| self.files[key].current);
        for key in rotated.into_iter().chain(current) {
            let (Some(file), Some(followed)) = (self.open.get(&key), self.files.get_mut(&key)) else { continue };
            match followed.current {
                // Its first line may have come since we looked, but nothing is given out before there are ids for it.
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

    /// The lines that were given out last need not be given out again. That is kept by the next look.
    pub fn done(&mut self) {
        let Some((key, end)) = self.given.take() else { return };
        if let Some(followed) = self.files.get_mut(&key) {
            followed.position = end;
            followed.reading = None;
            self.unsaved = true;
        }
    }

    /// Which files there are now.
    fn look(&mut self) -> anyhow::Result<()> {
        let before = self.files.clone();
        self.files.values_mut().for_each(|followed| followed.current = false);
        for path in self.paths.clone() {
            self.look_at(&path).with_context(|| format!("reading {}", path.display()))?;
        }
        for (key, followed) in &self.files {
            // After a start: what has another name by now.
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

    /// The rest of a file that was truncated, where it was copied before.
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

    /// Whole or not at all, whatever happens meanwhile.
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

/// Longer lines come in pieces.
const LONGEST: usize = 1024 * 1024;
/// Enough to tell files from each other: our lines begin with their time.
const FIRST: usize = 1024;
/// A file that was rotated away gets no more of a line begun after so long without a change, and nothing after that.
const LINE_ENDS: Duration = Duration::from_secs(5);
const FILE_ENDS: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Followed {
    path: PathBuf,
    /// How often it was truncated.
    generation: u32,
    /// Of its first line, once that is there.
    first: Option<String>,
    /// What the ids of its lines begin with.
    id: String,
    position: u64,
    /// Lines that were given out: if they are given out again, then the same ones with the same time.
    reading: Option<Reading>,
    /// It has its name still.
    #[serde(skip)]
    current: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Reading {
    end: u64,
    /// Milliseconds since 1970: of lines that do not say themselves when they were written.
    at: i64,
}

impl Followed {
    fn identify(&mut self, key: &str, first: String) {
        self.id = hash(format!("{key} {} {first}", self.generation).as_bytes());
        self.first = Some(first);
    }

    /// Whole lines.
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

/// What the line itself says.
fn written_at(line: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Line {
        timestamp: String,
    }
    let Line { timestamp } = serde_json::from_str(line).ok()?;
    let time = OffsetDateTime::parse(&timestamp, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// Before the start of a character that is not whole.
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

/// Nothing before there is one: it must not change any more.
fn first_line(file: &File) -> io::Result<Option<String>> {
    let mut bytes = [0; FIRST];
    let length = fill(file, &mut bytes, 0)?;
    let newline = bytes[..length].iter().position(|byte| *byte == b'\n');
    let complete = newline.or((length == FIRST).then_some(length));
    Ok(complete.map(|end| hash(&bytes[..end])))
}

/// What the file system calls a file. It uses the numbers of removed ones again, hence the time of its creation.
fn key(metadata: &Metadata) -> String {
    let created = metadata.created().map_or(0, milliseconds);
    format!("{:x}-{:x}-{created:x}", metadata.dev(), metadata.ino())
}

/// The files whose names begin like that of this one.
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
mod tests {
    use std::fs::OpenOptions;
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("tail-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn append(&self, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.path("app.log")).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn tail(&self) -> Tail {
            Tail::open(vec![self.path("app.log")], self.path("state.json")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn all(tail: &mut Tail) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some(lines) = tail.next().unwrap() {
            messages.extend(lines.events.into_iter().map(|event| event.message));
            tail.done();
        }
        messages
    }

    #[test]
    fn whole_lines_come_once_also_after_a_start() {
        let folder = Folder::new();
        let mut tail = folder.tail();
        assert!(all(&mut tail).is_empty());
        folder.append("a\r\n\n  \nb");
        assert_eq!(all(&mut tail), ["a"]);
        folder.append("c\nd");
        assert_eq!(all(&mut tail), ["bc"]);
        assert!(all(&mut folder.tail()).is_empty());
        folder.append("\n");
        assert_eq!(all(&mut folder.tail()), ["d"]);
    }

    #[test]
    fn what_was_not_done_comes_again_with_the_same_ids_and_times() {
        let folder = Folder::new();
        folder.append("a\nb\n");
        let first = folder.tail().next().unwrap().unwrap();
        folder.append("c\n");
        std::thread::sleep(Duration::from_millis(5));
        let mut tail = folder.tail();
        let second = tail.next().unwrap().unwrap();
        let seen = |lines: &Lines| {
            lines
                .events
                .iter()
                .map(|event| (event.id.clone(), event.timestamp, event.message.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(&first), seen(&second));
        tail.done();
        assert_eq!(all(&mut tail), ["c"]);
    }

    #[test]
    fn the_time_is_that_of_the_line_if_it_says_one() {
        let folder = Folder::new();
        folder.append("{\"timestamp\":\"2022-06-07T00:00:00.5Z\"}\n");
        assert_eq!(folder.tail().next().unwrap().unwrap().events[0].timestamp, 1_654_560_000_500);
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces_of_whole_characters() {
        let folder = Folder::new();
        let line = "서".repeat(LONGEST);
        folder.append(&format!("{line}\nb\n"));
        let pieces = all(&mut folder.tail());
        assert_eq!(pieces.len(), 5);
        assert!(pieces[..4].concat() == line && pieces[4] == "b");
    }

    #[test]
    fn a_removed_file_is_read_to_its_end() {
        let folder = Folder::new();
        folder.append("a\n");
        let mut tail = folder.tail();
        assert_eq!(all(&mut tail), ["a"]);
        folder.append("b\n");
        fs::remove_file(folder.path("app.log")).unwrap();
        folder.append("a\n");
        assert_eq!(all(&mut tail), ["b", "a"]);
    }

    #[test]
    fn half_a_line_in_a_file_that_was_rotated_away_comes_when_it_is_quiet() {
        let folder = Folder::new();
        let mut tail = folder.tail();
        folder.append("half");
        assert!(all(&mut tail).is_empty());
        let rotated = folder.path("app.log.1");
        fs::rename(folder.path("app.log"), &rotated).unwrap();
        folder.append("half\n");
        assert_eq!(all(&mut tail), ["half"]);
        let long_ago = SystemTime::now() - 2 * LINE_ENDS;
        File::options().write(true).open(&rotated).unwrap().set_modified(long_ago).unwrap();
        let rest = tail.next().unwrap().unwrap();
        tail.done();
        assert_eq!((rest.events.len(), rest.events[0].message.as_str()), (1, "half"));
        assert!(rest.events[0].id.ends_with("-0") && rest.events[0].id.len() > 20);
        assert!(all(&mut tail).is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// So many lines, and the beginning of another.
        Write(usize, bool),
        Rename,
        CopyTruncate,
        /// Some lines, done with or not.
        Read(bool),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_usize, any::<bool>()).prop_map(|(lines, part)| Step::Write(lines, part)),
            1 => Just(Step::Rename),
            1 => Just(Step::CopyTruncate),
            3 => any::<bool>().prop_map(Step::Read),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]
        /// Provided that a file was seen before it is rotated.
        #[test]
        fn every_line_comes_and_none_under_two_ids(steps in prop::collection::vec(step(), 1..40)) {
            let folder = Folder::new();
            let mut tail = folder.tail();
            let (mut written, mut rotations, mut part) = (0, 0, false);
            let mut seen = BTreeMap::new();
            let mut read = |tail: &mut Tail, done: bool| {
                let Some(lines) = tail.next().unwrap() else { return false };
                for event in lines.events {
                    let known = seen.insert(event.id, event.message.clone());
                    assert!(known.is_none_or(|known| known == event.message));
                }
                if done {
                    tail.done();
                }
                true
            };
            for step in steps {
                match step {
                    Step::Write(lines, begin) => {
                        for _ in 0..lines {
                            folder.append(&if part { format!("{written}\n") } else { format!("line {written}\n") });
                            part = false;
                            written += 1;
                        }
                        if begin && !part {
                            folder.append("line ");
                            part = true;
                        }
                    }
                    Step::Rename | Step::CopyTruncate => {
                        if part {
                            folder.append(&format!("{written}\n"));
                            part = false;
                            written += 1;
                        }
                        read(&mut tail, false);
                        rotations += 1;
                        let (now, then) = (folder.path("app.log"), folder.path(&format!("app.log.{rotations}")));
                        if !now.exists() {
                            continue;
                        }
                        if let Step::Rename = step {
                            fs::rename(now, then).unwrap();
                        } else {
                            fs::copy(&now, then).unwrap();
                            File::create(now).unwrap();
                        }
                    }
                    Step::Read(done) => { read(&mut tail, done); }
                    Step::Restart => tail = folder.tail(),
                }
            }
            while read(&mut tail, true) {}
            let mut messages: Vec<_> = seen.into_values().collect();
            messages.sort();
            let mut expected: Vec<_> = (0..written).map(|number| format!("line {number}")).collect();
            expected.sort();
            prop_assert_eq!(messages, expected);
        }
    }
}
