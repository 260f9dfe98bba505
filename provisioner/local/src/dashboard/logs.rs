//! Lines of all parts' logs, in the order of their times. Files are read from their ends, a block at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::format_description::{self, BorrowedFormatItem};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use crate::supervisor::place::Place;

const BLOCK: u64 = 64 << 10;
/// The most bytes of one part that are read for one question, so that a search in vain ends soon.
const SEARCHED: u64 = 8 << 20;
const LONGEST: usize = 8 << 10;
const LINES: usize = 300;

/// The conditions of a search. All that are given must hold.
#[derive(Default)]
pub struct Wanted {
    pub parts: Vec<String>,
    /// Words that all must be in the line, in any case.
    pub text: String,
    /// The id of a trace or a request, as it is written.
    pub id: String,
    /// Whether to leave out health checks that went well.
    pub quiet: bool,
    /// A time in milliseconds since 1970.
    pub before: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub part: String,
    pub at: u64,
    pub text: String,
}

/// The place up to which each file was read.
#[derive(Default, Serialize, Deserialize)]
pub struct Cursor(BTreeMap<String, (u64, u64)>);

/// The latest lines, the oldest of them first.
pub fn latest(place: &Place, wanted: &Wanted) -> Result<(Vec<Line>, Cursor)> {
    let clock = Clock::of_this_machine();
    let (mut lines, mut cursor) = (Vec::new(), Cursor::default());
    for part in &wanted.parts {
        let path = place.log(part);
        let Ok(mut file) = File::open(&path) else { continue };
        let end = file.metadata()?.len();
        let inode = file.metadata()?.ino();
        let mut found = Vec::new();
        let begin = backwards(&mut file, end, |text| take(text, part, wanted, &clock, &mut found))?;
        cursor.0.insert(part.clone(), (inode, begin));
        if found.len() < LINES
            && let Ok(mut before) = File::open(path.with_extension("log.1"))
        {
            let end = before.metadata()?.len();
            backwards(&mut before, end, |text| take(text, part, wanted, &clock, &mut found))?;
        }
        let written = file.metadata()?.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        finish(&mut found, written.map_or(0, |at| at.as_millis() as u64));
        found.retain(|line| wanted.before.is_none_or(|before| line.at < before));
        lines.extend(found);
    }
    // The sort is stable: lines that one part wrote at one moment stay in their order.
    lines.sort_by_key(|line| line.at);
    lines.drain(..lines.len().saturating_sub(LINES));
    Ok((lines, cursor))
}

/// The lines that were written since the cursor.
pub fn since(place: &Place, wanted: &Wanted, cursor: &Cursor, now: u64) -> Result<(Vec<Line>, Cursor)> {
    let clock = Clock::of_this_machine();
    let (mut lines, mut next) = (Vec::new(), Cursor::default());
    for part in &wanted.parts {
        let Ok(mut file) = File::open(place.log(part)) else { continue };
        let inode = file.metadata()?.ino();
        let from = cursor.0.get(part).filter(|(before, _)| *before == inode).map_or(0, |(_, from)| *from);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        (&mut file).take(1 << 20).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        next.0.insert(part.clone(), (inode, from + whole as u64));
        for text in bytes[..whole].split(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(text);
            if fits(&text, wanted) {
                lines.push(line(&text, part, clock.time(&text).unwrap_or(now)));
            }
        }
    }
    lines.sort_by_key(|line| line.at);
    lines.drain(..lines.len().saturating_sub(LINES * 4));
    Ok((lines, next))
}

/// Takes a line. `true` as long as more are wanted. A line without a time gets 0 for now.
fn take(text: &str, part: &str, wanted: &Wanted, clock: &Clock, found: &mut Vec<Line>) -> bool {
    if !fits(text, wanted) {
        return true;
    }
    let at = clock.time(text);
    if at.is_none_or(|at| wanted.before.is_none_or(|before| at < before)) {
        found.push(line(text, part, at.unwrap_or_default()));
    }
    found.len() < LINES
}

/// Puts the lines into their order. A line without a time gets the time of the line before, or the first line's, or the
/// file's.
fn finish(found: &mut [Line], written: u64) {
    found.reverse();
    let first = found.iter().map(|line| line.at).find(|at| *at > 0).unwrap_or(written);
    let mut last = first;
    for line in found {
        if line.at == 0 {
            line.at = last;
        }
        last = line.at;
    }
}

fn line(text: &str, part: &str, at: u64) -> Line {
    let cut = text.floor_char_boundary(LONGEST);
    Line { part: part.to_owned(), at, text: text[..cut].to_owned() }
}

fn fits(text: &str, wanted: &Wanted) -> bool {
    if text.trim().is_empty() || (!wanted.id.is_empty() && !text.contains(&wanted.id)) {
        return false;
    }
    if wanted.quiet && is_health_check(text) {
        return false;
    }
    if wanted.text.is_empty() {
        return true;
    }
    let text = text.to_lowercase();
    wanted.text.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn is_health_check(text: &str) -> bool {
    let path = text.contains("\"path\":\"/healthz\"") || text.contains("\"path\":\"/readyz\"");
    path && text.contains("\"status\":200")
}

/// Gives each line, the last one first, until no more is wanted. Returns the place where a last line that is not whole
/// begins.
fn backwards(file: &mut File, end: u64, mut each: impl FnMut(&str) -> bool) -> Result<u64> {
    let mut position = end;
    let mut rest: Vec<u8> = Vec::new();
    let mut whole_until = None;
    while position > 0 && end - position < SEARCHED {
        let begin = position.saturating_sub(BLOCK);
        let mut block = vec![0; (position - begin) as usize];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut block)?;
        block.append(&mut rest);
        if whole_until.is_none() {
            let Some(last) = block.iter().rposition(|byte| *byte == b'\n') else {
                rest = block;
                position = begin;
                continue;
            };
            whole_until = Some(begin + last as u64 + 1);
            block.truncate(last);
        }
        let mut lines = block.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default().to_vec();
        let lines: Vec<&[u8]> = lines.collect();
        for line in lines.iter().rev() {
            if !each(&String::from_utf8_lossy(line)) {
                return Ok(whole_until.unwrap_or_default());
            }
        }
        rest = first;
        position = begin;
    }
    if position == 0 && whole_until.is_some() {
        each(&String::from_utf8_lossy(&rest));
    }
    Ok(whole_until.unwrap_or_default())
}

/// A clock for engines, which write the local time.
struct Clock {
    offset: UtcOffset,
    maria: Vec<BorrowedFormatItem<'static>>,
    redis: Vec<BorrowedFormatItem<'static>>,
}

impl Clock {
    fn of_this_machine() -> Clock {
        static OFFSET: OnceLock<UtcOffset> = OnceLock::new();
        let asked = || {
            let said = Command::new("date").arg("+%z").output().map(|output| output.stdout).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let form = form("[offset_hour sign:mandatory][offset_minute]");
            UtcOffset::parse(said.trim(), &form).unwrap_or(UtcOffset::UTC)
        };
        Clock::of(*OFFSET.get_or_init(asked))
    }

    fn of(offset: UtcOffset) -> Clock {
        let maria = form("[year]-[month]-[day] [hour padding:none]:[minute]:[second]");
        Clock { offset, maria, redis: form("[day] [month repr:short] [year] [hour]:[minute]:[second].[subsecond]") }
    }

    fn time(&self, text: &str) -> Option<u64> {
        let at = match text.as_bytes().first()? {
            b'{' => {
                let begin = text.find("\"timestamp\":\"")? + 13;
                let length = text[begin..].find('"')?;
                OffsetDateTime::parse(&text[begin..begin + length], &Rfc3339).ok()?
            }
            // The supervisor's own form.
            b'0'..=b'9'
                if text.as_bytes().get(13) == Some(&b' ') && text[..13].bytes().all(|it| it.is_ascii_digit()) =>
            {
                return text[..13].parse().ok();
            }
            b'0'..=b'9' => self.local(text)?,
            _ => return None,
        };
        u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
    }

    /// `2026-11-21 22:19:18 6 [Note] ...` of MariaDB, `24024:M 21 Nov 2026 22:19:16.989 * ...` of Redis, and MySQL's,
    /// which says its zone.
    fn local(&self, text: &str) -> Option<OffsetDateTime> {
        let (first, rest) = text.split_once(' ')?;
        if let Ok(at) = OffsetDateTime::parse(first, &Rfc3339) {
            return Some(at);
        }
        // An hour of one digit has another space before it.
        let maria = text.get(..19).map(|begin| begin.replace("  ", " "));
        let maria = maria.and_then(|begin| PrimitiveDateTime::parse(&begin, &self.maria).ok());
        let redis = || PrimitiveDateTime::parse(rest.get(..24)?, &self.redis).ok();
        Some(maria.or_else(redis)?.assume_offset(self.offset))
    }
}

fn form(text: &'static str) -> Vec<BorrowedFormatItem<'static>> {
    format_description::parse_borrowed::<2>(text).expect("a form of a time")
}

/// The names of all parts that ever wrote a log.
pub fn parts(directory: &Path) -> Vec<String> {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut parts: Vec<String> =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".log")?.to_owned())).collect();
    parts.sort();
    parts
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path) -> std::io::Result<File> {
        File::options().create(true).append(true).open(path)
    }

    fn all(place: &Place) -> Wanted {
        Wanted { parts: parts(&place.state().join("logs")), ..Wanted::default() }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_of_all_parts_come_in_the_order_of_their_times() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let trace = "cba393e583fc9b0babc89ce239360d9d";
        let json = |second: u32, more: &str| format!("{{\"timestamp\":\"2026-11-21T22:19:{second:02}.5Z\"{more}}}");
        let of_api = [
            json(1, &format!(",\"trace_id\":\"{trace}\",\"event\":\"First\"")),
            json(3, ",\"path\":\"/healthz\",\"status\":200"),
            json(5, &format!(",\"trace_id\":\"{trace}\",\"event\":\"third\"")),
        ];
        writeln!(append(&place.log("api")).unwrap(), "{}", of_api.join("\n")).unwrap();
        write!(append(&place.log("worker")).unwrap(), "{}\nno time\nhalf a li", json(2, ",\"event\":\"second\""))
            .unwrap();
        let (lines, cursor) = latest(&place, &all(&place)).unwrap();
        assert_eq!(lines.len(), 5);
        assert_eq!((lines[1].part.as_str(), lines[2].text.as_str()), ("worker", "no time"));
        assert_eq!(lines[2].at, lines[1].at);
        let quiet = Wanted { quiet: true, ..all(&place) };
        assert_eq!(latest(&place, &quiet).unwrap().0.len(), 4);
        let traced = Wanted { id: trace.into(), ..all(&place) };
        assert_eq!(latest(&place, &traced).unwrap().0.len(), 2);
        let searched = Wanted { text: "THIRD trace".into(), ..all(&place) };
        assert_eq!(texts(&latest(&place, &searched).unwrap().0), [of_api[2].as_str()]);
        let before = Wanted { before: Some(lines[1].at), ..all(&place) };
        assert_eq!(texts(&latest(&place, &before).unwrap().0), [of_api[0].as_str()]);

        writeln!(append(&place.log("worker")).unwrap(), "ne").unwrap();
        let (lines, cursor) = since(&place, &all(&place), &cursor, 7).unwrap();
        assert_eq!(lines, [Line { part: "worker".into(), at: 7, text: "half a line".into() }]);
        assert!(since(&place, &all(&place), &cursor, 7).unwrap().0.is_empty());
        // The log gets a new file of the same name, as after a rotation.
        std::fs::rename(place.log("worker"), place.log("worker").with_extension("log.1")).unwrap();
        writeln!(append(&place.log("worker")).unwrap(), "again").unwrap();
        assert_eq!(texts(&since(&place, &all(&place), &cursor, 7).unwrap().0), ["again"]);
        assert!(latest(&place, &all(&place)).unwrap().0.iter().any(|line| line.text == "half a line"));
    }

    #[test]
    fn long_files_are_read_from_their_ends() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let text: String = (0..40_000).map(|number| format!("줄 <{number}> {}\n", "x".repeat(number % 50))).collect();
        append(&place.log("a")).unwrap().write_all(text.as_bytes()).unwrap();
        let (lines, _) = latest(&place, &all(&place)).unwrap();
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].text.starts_with("줄 <39700>") && lines[LINES - 1].text.starts_with("줄 <39999>"));
        let one = Wanted { text: "줄 <17>".into(), ..all(&place) };
        assert!(latest(&place, &one).unwrap().0.iter().any(|line| line.text.starts_with("줄 <17>")));
    }

    #[test]
    fn times_of_the_engines_are_understood() {
        let clock = Clock::of(UtcOffset::from_hms(9, 0, 0).unwrap());
        let expected = OffsetDateTime::parse("2026-11-21T13:19:16Z", &Rfc3339).unwrap().unix_timestamp() as u64 * 1000;
        for text in [
            "2026-11-21 22:19:16 6 [Note] Slave",
            "24024:M 21 Nov 2026 22:19:16.000 * Ready",
            "2026-11-21T13:19:16.000000Z 0 [System] [MY-010116]",
            "{\"timestamp\":\"2026-11-21T13:19:16Z\",\"level\":\"info\"}",
            "1795267156000 web: starting",
        ] {
            assert_eq!(clock.time(text), Some(expected), "{text}");
        }
        assert!(clock.time("2026-11-21  2:19:16 6 [Note] Slave").is_some());
        for text in ["", "no time", "3 tables", "{\"a\":1}", "서울", "1서울서울서울서울서울서울서울"] {
            assert_eq!(clock.time(text), None, "{text}");
        }
    }
}
