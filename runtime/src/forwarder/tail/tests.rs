//! Which files are followed, and that no line is lost.

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
        lines.events.iter().map(|event| (event.id.clone(), event.timestamp, event.message.clone())).collect::<Vec<_>>()
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
    /// Writes so many lines, and perhaps the beginning of another.
    Write(usize, bool),
    Rename,
    CopyTruncate,
    /// Reads some lines, and perhaps notes that they are done with.
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
    /// This holds if a file was seen before it is rotated.
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
