//! The forwarder as a role. It ships a file of log lines, and a log group, to a search engine that this test plays.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Process, server, until};

const PATTERN: &str = r#"{ $.event = "reservation.created" }"#;

/// A search engine: its documents by id. One in five requests fails.
#[derive(Clone, Default)]
struct Search(Arc<Mutex<(BTreeMap<String, Value>, usize)>>);

impl Search {
    fn serve(&self) -> SocketAddr {
        let Search(world) = self.clone();
        server(move |received| {
            let (documents, requests) = &mut *world.lock().unwrap();
            *requests += 1;
            if *requests % 5 == 0 {
                return (503, String::new(), "{}".to_owned());
            }
            let path = received.line.split(' ').nth(1).unwrap();
            if path.starts_with("/provision-backfill/") {
                return match (received.line.starts_with("PUT"), documents.get(path)) {
                    (true, _) => {
                        documents.insert(path.to_owned(), serde_json::from_slice(&received.body).unwrap());
                        (200, String::new(), "{}".to_owned())
                    }
                    (false, Some(source)) => (200, String::new(), json!({ "_source": source }).to_string()),
                    (false, None) => (404, String::new(), "{}".to_owned()),
                };
            }
            if path != "/_bulk" {
                return (200, String::new(), "{}".to_owned());
            }
            let mut items = Vec::new();
            let lines: Vec<Value> = received
                .body
                .split(|byte| *byte == b'\n')
                .map_while(|line| serde_json::from_slice(line).ok())
                .collect();
            for pair in lines.chunks(2) {
                let id = pair[0]["create"]["_id"].as_str().unwrap().to_owned();
                let known = documents.insert(id, pair[1].clone());
                items.push(json!({ "create": { "status": if known.is_some() { 409 } else { 201 } } }));
            }
            (200, String::new(), json!({ "items": items }).to_string())
        })
    }

    fn messages(&self) -> Vec<String> {
        let documents = &self.0.lock().unwrap().0;
        let mut messages: Vec<_> =
            documents.values().filter_map(|document| document["@message"].as_str()).map(str::to_owned).collect();
        messages.sort();
        messages
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("follow-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(arguments: &[&str], search: SocketAddr, more: (&str, &str)) -> Process {
    let search = format!("http://{search}");
    let variables = [
        ("SEARCH_ENDPOINT", search.as_str()),
        ("INDEX_PREFIX", "reservations"),
        ("AWS_REGION", "ap-northeast-2"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        more,
    ];
    let arguments = [&["forward", "--group", "/sendy/reservation", "--pattern", PATTERN], arguments].concat();
    Process::start(&arguments, &variables)
}

fn write(path: &Path, event: &str, number: usize) -> String {
    let line =
        json!({ "timestamp": "2022-06-07T00:00:00Z", "event": event, "number": format!("{number:05}") }).to_string();
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
    line
}

/// The forwarder is killed and started again at every turn, while the file grows and is rotated in both ways.
#[test]
fn lines_of_a_file_arrive_once_whatever_happens_to_the_forwarder() {
    let (folder, search) = (Folder::new("file"), Search::default());
    let (log, state) = (folder.path("reservation.log"), folder.path("state.json"));
    let arguments = ["--file", log.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let address = search.serve();
    let mut expected = Vec::new();
    let started = Instant::now();
    for turn in 0..12 {
        let process = start(&arguments, address, ("X", ""));
        for number in 0..200 {
            write(&log, "lookup", number);
            expected.push(write(&log, "reservation.created", turn * 1000 + number));
            if number % 50 == 0 {
                std::thread::sleep(Duration::from_millis(10 + 13 * turn as u64));
            }
        }
        // The forwarder has to see the file before the file is rotated. It may have read any part of it.
        until("the file to be seen", || fs::read_to_string(&state).ok().filter(|state| state.contains("\"first\":\"")));
        if turn % 3 == 1 {
            fs::rename(&log, folder.path(&format!("reservation.log.{turn}"))).unwrap();
        }
        if turn % 3 == 2 {
            drop(process);
            fs::copy(&log, folder.path(&format!("reservation.log.{turn}"))).unwrap();
            File::create(&log).unwrap();
            let _process = start(&arguments, address, ("X", ""));
            let first = write(&log, "reservation.created", turn * 1000 + 999);
            expected.push(first.clone());
            until("the line after", || search.messages().contains(&first).then_some(()));
        }
    }
    let mut process = start(&arguments, address, ("X", ""));
    until("all lines", || (search.messages().len() >= expected.len()).then_some(()));
    process.line("following");
    process.terminate();
    assert_eq!(process.exit().code(), Some(0));
    expected.sort();
    assert_eq!(search.messages(), expected);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_log_group_is_read_on() {
    let search = Search::default();
    let asked = Arc::new(Mutex::new(0));
    let logs = server(move |received| {
        assert_eq!(received.header("x-amz-target"), Some("Logs_20140328.FilterLogEvents"));
        let request: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(request["filterPattern"], PATTERN);
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        // The earlier events come again, because the times overlap.
        let event = |number: i64| {
            json!({ "eventId": format!("e{number}"), "logStreamName": "s", "timestamp": 1_654_560_000_000 + number,
                    "message": format!("m{number}") })
        };
        let events: Vec<_> = (0..*asked).map(event).collect();
        (200, String::new(), json!({ "events": events }).to_string())
    });
    let logs = format!("http://{logs}");
    let _process = start(&[], search.serve(), ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &logs));
    until("the second time", || (search.messages() == ["m0", "m1"]).then_some(()));
}

#[test]
fn mistakes_are_told() {
    let search = Search::default().serve();
    let folder = Folder::new("mistakes");
    let (log, state) = (folder.path("a.log"), folder.path("state.json"));
    let files = ["--file", log.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let with = |more: &[&str]| start(&[&files, more].concat(), search, ("X", ""));

    fs::write(&state, "no JSON").unwrap();
    let message = with(&[]).line("failed")["message"].to_string();
    assert!(message.contains("state.json is not ours"), "{message}");
    assert_eq!(start(&files[..2], search, ("X", "")).exit().code(), Some(2), "files need a state");

    let wrong = ["forward", "--group", "g", "--pattern", "{ $.a ="];
    let variables = [
        ("SEARCH_ENDPOINT", "x"),
        ("INDEX_PREFIX", "x"),
        ("AWS_REGION", "x"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let message = Process::start(&[&wrong[..], &files[..]].concat(), &variables).line("failed")["message"].clone();
    assert_eq!(message, "--pattern: column 8: expected a value");
}
