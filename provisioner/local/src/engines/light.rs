//! A search engine in memory, <https://pypi.org/project/osmem-server/>. It speaks `_bulk` and `_search`, takes 30 ms to
//! start, and forgets everything when it stops. It has no ISM and needs some 26 KB a document. So a process of ours
//! beside it deletes the oldest documents.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http;
use crate::supervisor::part::Part;
use crate::supervisor::probe::Probe;

/// With more documents than this the oldest are deleted, until there are `KEPT`. This many take 100 MB.
pub const MOST: usize = 3_000;
pub const KEPT: usize = 2_000;

pub fn part(name: &str, program: &Path, port: u16) -> Part {
    let words = ["-addr", &format!("127.0.0.1:{port}"), "-no-stdin-watch", "-no-ja"].map(str::to_owned);
    let mut part = Part {
        args: words.to_vec(),
        port: Some(port),
        ready: Probe::Http { port, path: "/".to_owned() },
        ..Part::new(name, "search engine in memory", program)
    };
    // The engine is written in Go. This setting saves memory for a little more work.
    part.env.insert("GOGC".to_owned(), "50".to_owned());
    part
}

/// The part that deletes the oldest documents. `program` is one that gives its arguments to `hidden::run`.
pub fn cap_part(name: &str, program: &Path, port: u16) -> Part {
    Part {
        args: vec!["local".into(), "cap".into(), port.to_string()],
        after: vec![name.to_owned()],
        ..Part::new(format!("{name}-cap"), "cap on log documents", program)
    }
}

/// Deletes the oldest documents again and again, until it is killed. An engine that does not answer has nothing to
/// delete.
pub fn cap(port: u16) -> Result<()> {
    loop {
        match trim(port, MOST, KEPT) {
            Ok(0) => {}
            Ok(count) => log(&format!("{count} of the oldest documents are gone: there were more than {MOST}")),
            Err(error) => log(&format!("{error:#}")),
        }
        std::thread::sleep(LOOK);
    }
}

/// Deletes the documents that are older than the newest `kept`, if there are more than `most`. Returns how many.
pub fn trim(port: u16, most: usize, kept: usize) -> Result<usize> {
    let count = ask(port, "GET", "/_all/_count", None)?["count"].as_u64().unwrap_or(0) as usize;
    if count <= most {
        return Ok(0);
    }
    // A search goes no deeper than this.
    let last = (count - kept).min(DEEPEST) - 1;
    let sort = json!([{ "@timestamp": { "order": "asc" } }]);
    let search = json!({ "size": 1, "from": last, "sort": sort, "_source": ["@timestamp"] });
    let found = ask(port, "POST", "/_all/_search", Some(&search))?;
    let time = &found["hits"]["hits"][0]["_source"]["@timestamp"];
    ensure!(time.is_string(), "a document has no time: {}", found["hits"]["hits"][0]);
    let old = json!({ "query": { "range": { "@timestamp": { "lte": time } } } });
    let deleted = ask(port, "POST", "/_all/_delete_by_query?conflicts=proceed", Some(&old))?;
    Ok(deleted["deleted"].as_u64().context("nothing was said about what was deleted")? as usize)
}

const LOOK: Duration = Duration::from_secs(3);
const DEEPEST: usize = 10_000;
/// The time for an answer. Thousands of documents take seconds.
const ANSWER: Duration = Duration::from_secs(60);

fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string);
    let answer =
        http::ask(port, method, path, &[], body.as_deref(), ANSWER).with_context(|| format!("{method} {path}"))?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "{method} {path}: {}: {}", answer.status, text.chars().take(200).collect::<String>());
    serde_json::from_str(&text).with_context(|| format!("{method} {path}"))
}

/// Writes to standard error, which is the part's log file.
fn log(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
