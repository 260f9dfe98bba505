//! The parts' log files: one for each, appended to by the part itself.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::place::Place;

/// The largest log file. Beyond it a new one is begun, and the one before is kept as `.log.1`.
pub const CAP: u64 = 8 << 20;

/// The time between two looks at followed files.
const LOOK: Duration = Duration::from_millis(100);

/// Begins a new file. It is called before anybody has the file open.
pub fn rotate(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        Ok(file) if file.len() > CAP => std::fs::rename(path, path.with_extension("log.1")),
        _ => Ok(()),
    }
}

pub fn is_full(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() > CAP)
}

/// Moves the content of an open file into `.log.1`, and empties it. The part that appends to it must not do so
/// meanwhile.
pub fn trim(path: &Path) -> std::io::Result<()> {
    let (new, old) = (path.with_extension("log.new"), path.with_extension("log.1"));
    let copied = std::fs::copy(path, &new).and_then(|_| std::fs::rename(&new, &old));
    if copied.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    copied.and_then(|()| File::options().write(true).open(path)?.set_len(0))
}

/// The last lines, or fewer if they are long: at most 16 KiB are read.
pub fn tail(path: &Path, lines: usize) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 << 10)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

/// The line that says why a program ended, out of its last lines. If there are lines that the engine marked as errors,
/// it is the first of them since the last start, and one that tells a known cause in words comes before others. Else it
/// is a line that begins as the errors of other programs do, else the last line. `None` if all lines are empty.
pub fn cause(lines: &[&str]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    let start =
        lines.iter().rposition(|line| line.contains("Starting MariaDB") || line.contains("starting as process"));
    let is_error = |line: &&&str| line.contains("[ERROR]") && !line.ends_with("Aborting");
    // Among several errors, one says it in words and not in numbers.
    let words = ["out of disk space", "No space left", "Permission denied", "Address already in use", "Read-only"];
    let is_clear = |line: &&&str| is_error(line) && words.iter().any(|word| line.contains(word));
    let marked = || {
        let marks = ["FATAL ERROR", "ERROR: ", "Caused by: ", "Exception in thread "];
        lines.iter().rev().find(|line| marks.iter().any(|mark| line.starts_with(mark)))
    };
    let run = &lines[start.unwrap_or(0)..];
    let found = run.iter().find(is_clear).or_else(|| run.iter().find(is_error)).or_else(marked).or(lines.last())?;
    Some(found.trim_start().chars().take(LONGEST_CAUSE).collect())
}

/// The longest cause, in characters. It should be one line on the screen too.
const LONGEST_CAUSE: usize = 400;

/// Gives each whole line of the parts' logs: the last `lines` there are, then what comes, until `go_on` says no.
pub fn follow(
    place: &Place,
    parts: &[String],
    lines: usize,
    mut go_on: impl FnMut() -> bool,
    mut each: impl FnMut(&str, &str),
) {
    let mut followed: Vec<Followed> = Vec::new();
    for part in parts {
        let path = place.log(part);
        let before = tail(&path, lines);
        before.iter().for_each(|line| each(part, line));
        followed.push(Followed::at_the_end(&path));
    }
    while go_on() {
        let mut quiet = true;
        for (part, file) in parts.iter().zip(&mut followed) {
            for line in file.new_lines(&place.log(part)) {
                quiet = false;
                each(part, &line);
            }
        }
        if quiet {
            std::thread::sleep(LOOK);
        }
    }
}

/// A file that may be replaced by a new one of the same name.
struct Followed {
    inode: u64,
    file: Option<File>,
    rest: Vec<u8>,
}

impl Followed {
    fn at_the_end(path: &Path) -> Followed {
        let mut file = File::open(path).ok();
        if let Some(file) = &mut file {
            let _ = file.seek(SeekFrom::End(0));
        }
        let inode = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.ino());
        Followed { inode, file, rest: Vec::new() }
    }

    fn new_lines(&mut self, path: &Path) -> Vec<String> {
        let mut lines = self.read();
        let inode = path.metadata().map_or(0, |file| file.ino());
        if inode != 0 && inode != self.inode {
            // The file is read once more, because it may have been written to between the two looks.
            lines.extend(self.read());
            *self = Followed { inode, file: File::open(path).ok(), rest: Vec::new() };
            lines.extend(self.read());
        }
        lines
    }

    fn read(&mut self) -> Vec<String> {
        let Some(file) = &mut self.file else { return Vec::new() };
        // The file was emptied, and its content is in the file before.
        if file.metadata().is_ok_and(|metadata| file.stream_position().is_ok_and(|at| at > metadata.len())) {
            let _ = file.rewind();
            self.rest.clear();
        }
        let _ = file.take(1 << 20).read_to_end(&mut self.rest);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::supervisor::process::append;

    #[test]
    fn the_cause_is_one_line() {
        let of = |text: &str| cause(&text.lines().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(of("one\n\nthe last  \n\n"), "the last");
        assert_eq!(of(""), "");
        let script =
            "\nFATAL ERROR: Could not find /usr/bin/my_print_defaults\n\nIf you compiled from source, you need to\n";
        assert_eq!(of(script), "FATAL ERROR: Could not find /usr/bin/my_print_defaults");
        let server = "2026-01-01 0:00:00 0 [ERROR] of an earlier start\n\
                      2026-01-01 0:00:01 0 [Note] Starting MariaDB 10.11.19 as process 7\n\
                      2026-01-01 0:00:01 0 [ERROR] Can't start server: Bind on TCP/IP port: Address already in use\n\
                      2026-01-01 0:00:01 0 [ERROR] Do you already have another server running?\n\
                      2026-01-01 0:00:01 0 [ERROR] Aborting\n";
        let full = "0 [ERROR] InnoDB: preallocating 12582912 bytes for file ./ibdata1 failed with error 28\n\
                    0 [ERROR] InnoDB: Could not set the file size of './ibdata1'. Probably out of disk space\n";
        assert!(of(full).ends_with("Probably out of disk space"));
        assert!(of(server).ends_with("Bind on TCP/IP port: Address already in use"));
        let redis =
            "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 1\n>>> 'x'\nno";
        assert_eq!(of(redis), "no");
        let java = "Exception in thread \"main\" E: first\n\tat a.B\nCaused by: F: second\n\tat c.D\n\t... 3 more\n";
        assert_eq!(of(java), "Caused by: F: second");
    }

    #[test]
    fn a_log_is_followed_into_the_next_file() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let path = place.log("a");
        writeln!(append(&path).unwrap(), "one\ntwo").unwrap();
        let (mut seen, mut turn) = (Vec::new(), 0);
        let write = || {
            turn += 1;
            match turn {
                1 => write!(append(&path).unwrap(), "three\nhal").unwrap(),
                2 => writeln!(append(&path).unwrap(), "f").unwrap(),
                3 => {
                    File::options().write(true).open(&path).unwrap().set_len(CAP + 1).unwrap();
                    rotate(&path).unwrap();
                    writeln!(append(&path).unwrap(), "다섯").unwrap();
                }
                4 => trim(&path).unwrap(),
                5 => writeln!(append(&path).unwrap(), "여섯").unwrap(),
                _ => return turn < 8,
            }
            true
        };
        follow(&place, &["a".into()], 1, write, |part, line| seen.push(format!("{part} {}", line.trim_matches('\0'))));
        seen.retain(|line| line.len() > 2);
        assert_eq!(seen, ["a two", "a three", "a half", "a 다섯", "a 여섯"]);
        assert_eq!(std::fs::read_to_string(path.with_extension("log.1")).unwrap(), "다섯\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "여섯\n");
    }
}
