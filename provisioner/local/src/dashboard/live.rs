//! The state of the stack now. The supervisor answers at once. Questions over a wire are asked in the background,
//! because an engine that stands still answers late or never.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::config::Config;
use super::messages;
use crate::engines::replica::{self, Replication};
use crate::functions::part::KIND;
use crate::functions::{Counted, ask};
use crate::supervisor::client;
use crate::supervisor::place::Place;
use crate::supervisor::protocol::State;
use crate::supervisor::sql::{Address, Login};
use crate::tables::{self, Behind};

/// The longest age of an answer that came over a wire.
const FRESH: Duration = Duration::from_millis(900);

/// The last answers. If nobody looks, nobody is asked.
#[derive(Default)]
pub struct Asked(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    at: Option<Instant>,
    under_way: bool,
    queues: BTreeMap<String, Value>,
    lags: BTreeMap<String, Value>,
    functions: BTreeMap<String, Counted>,
    tables: BTreeMap<String, Value>,
}

pub fn state(place: &Place, config: &Config, asked: &Arc<Asked>) -> Value {
    let begin = begin_to_ask(place, config, asked);
    if begin.is_some_and(|first| first) {
        // The first page should not be empty.
        let deadline = Instant::now() + Duration::from_millis(250);
        while asked.answers().at.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let client = client::running(place.state());
    let mut parts = client.and_then(|client| client.status().ok());
    for error in parts.iter_mut().flatten().filter_map(|part| part.last_error.as_mut()) {
        *error = config.without_secrets(error);
    }
    let answers = asked.answers();
    let mut functions = answers.functions.clone();
    for error in functions.values_mut().filter_map(|counted| counted.last_error.as_mut()) {
        error.text = config.without_secrets(&error.text);
    }
    json!({
        "at": now_ms(), "running": parts.is_some(), "parts": parts.unwrap_or_default(),
        "queues": answers.queues, "lags": answers.lags,
        "functions": functions, "tables": answers.tables,
    })
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Asked {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks in a thread of its own, one at a time. `None` if the last answers are good enough, or others are on their way.
/// Else whether these are the first answers.
fn begin_to_ask(place: &Place, config: &Config, asked: &Arc<Asked>) -> Option<bool> {
    let first = {
        let mut answers = asked.answers();
        if answers.under_way || answers.at.is_some_and(|at| at.elapsed() < FRESH) {
            return None;
        }
        answers.under_way = true;
        answers.at.is_none()
    };
    let (place, config, asked) = (place.clone(), config.clone(), asked.clone());
    std::thread::spawn(move || {
        let queues = config.messaging.map(|port| queues(port, &config)).unwrap_or_default();
        let lags = config.replicas.iter().map(|part| (part.clone(), lag(&place, part))).collect();
        let functions = functions(&place);
        let tables = config.dynamodb.map(|port| tables(port, &config, &functions)).unwrap_or_default();
        *asked.answers() = Answers { at: Some(Instant::now()), under_way: false, queues, lags, functions, tables };
    });
    Some(first)
}

fn queues(port: u16, config: &Config) -> BTreeMap<String, Value> {
    let mut depths = BTreeMap::new();
    for queue in &config.queues {
        match messages::depth(port, queue) {
            Ok(depth) => drop(depths.insert(queue.id.clone(), json!(depth))),
            // An engine that does not answer this question will not answer the next one either.
            Err(_) => break,
        }
    }
    depths
}

/// What the functions have done, by part. A part that does not answer is left out.
fn functions(place: &Place) -> BTreeMap<String, Counted> {
    let parts = client::running(place.state()).and_then(|client| client.status().ok()).unwrap_or_default();
    let functions = parts.into_iter().filter(|part| part.kind == KIND && part.state == State::Ready);
    functions.filter_map(|part| Some((part.name, ask::counts(part.port?).ok()?))).collect()
}

/// The items of each table, and how far behind each function is that takes its stream. If the tables do not answer, there
/// is nothing of them.
fn tables(port: u16, config: &Config, functions: &BTreeMap<String, Counted>) -> BTreeMap<String, Value> {
    let counted = tables::counted(port).unwrap_or_default();
    let readers = |name: &str| -> Vec<Value> {
        let reader = |(part, counted): (&String, &Counted)| {
            let Behind { records, oldest } = tables::behind(port, name, counted.streams.get(name)?).ok()?;
            let oldest_ms = oldest.map(|oldest| now_ms().saturating_sub(oldest));
            Some(json!({ "part": part, "records": records, "oldest_ms": oldest_ms }))
        };
        functions.iter().filter_map(reader).collect()
    };
    let mut all = BTreeMap::new();
    for table in &config.tables {
        if let Some(tables::Counted { items, bytes, stream, records }) = counted.get(&table.name) {
            let told = json!({
                "items": items, "bytes": bytes, "stream": stream, "records": records, "readers": readers(&table.name),
            });
            all.insert(table.id.clone(), told);
        }
    }
    all
}

fn lag(place: &Place, replica: &str) -> Value {
    let root = Login { at: Address::Socket(place.socket(replica)), user: "root".into(), password: String::new() };
    match replica::replication(&root) {
        Ok(Some(Replication { why: Some(why), lag_seconds: None, .. })) => json!({ "error": why }),
        Ok(Some(replication)) => json!({ "seconds": replication.lag_seconds }),
        Ok(None) => json!({ "error": "it follows nobody" }),
        Err(error) => json!({ "error": format!("{error:#}") }),
    }
}
