//! Hands the messages of topics to functions. A message is kept until the function's part has written it down. Each
//! function gets its messages one after the other, so one that does not run holds up no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::record::Record;
use super::store::Draft;
use super::{Shared, now};
use crate::client::Client;
use crate::listen::log;

const WITHIN: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Runs until the service stops.
pub async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let client = Arc::new(Client::new());
    let mut busy: HashSet<String> = HashSet::new();
    let mut tasks = JoinSet::new();
    loop {
        let waiting: Vec<String> = shared.store().state.handing.keys().cloned().collect();
        for key in waiting {
            if busy.insert(key.clone()) {
                tasks.spawn(hand_over(Arc::clone(&shared), Arc::clone(&client), key));
            }
        }
        tokio::select! {
            () = shared.handing.notified() => {}
            Some(done) = tasks.join_next() => match done {
                Ok(key) => drop(busy.remove(&key)),
                Err(_) => busy.clear(),
            },
            _ = stop.changed() => return,
        }
    }
}

/// Hands over all that there is for one subscription, and gives its key back.
async fn hand_over(shared: Arc<Shared>, client: Arc<Client>, key: String) -> String {
    let mut wait = FIRST_WAIT;
    while let Some(next) = first(&shared, &key) {
        let done = match post(&client, &next).await {
            Posted::Accepted => commit(&shared, vec![handed(&key, &next)]),
            Posted::Refused(why) => {
                log(&format!("{key}: a message is refused: {why}"));
                let records = give_up(&shared, &key, &next);
                commit(&shared, records)
            }
            Posted::NotNow(why) => {
                if wait == FIRST_WAIT {
                    log(&format!("{key}: a message waits: {why}"));
                }
                false
            }
        };
        if done {
            wait = FIRST_WAIT;
            continue;
        }
        // The function's part may just be starting.
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    key
}

struct Next {
    order: u64,
    event: String,
    uri: String,
}

enum Posted {
    Accepted,
    /// The part does not take this event, however often it is asked.
    Refused(String),
    NotNow(String),
}

fn first(shared: &Shared, key: &str) -> Option<Next> {
    let store = shared.store();
    let (order, event) = store.state.handing.get(key)?.first_key_value()?;
    let subscription = &store.state.functions.get(key)?.subscription;
    let (port, function) = (subscription.port, &subscription.function);
    let uri = format!("http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations");
    Some(Next { order: *order, event: event.clone(), uri })
}

async fn post(client: &Client, next: &Next) -> Posted {
    let headers = [("x-amz-invocation-type", "Event")];
    match client.post(&next.uri, &headers, next.event.clone(), WITHIN).await {
        Ok(answer) => match answer.status.as_u16() {
            202 => Posted::Accepted,
            400 | 413 => Posted::Refused(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
            _ => Posted::NotNow(answer.status.to_string()),
        },
        Err(error) => Posted::NotNow(format!("{error:#}")),
    }
}

/// The records that put the event into the dead-letter queue of the subscription, if it has one.
fn give_up(shared: &Shared, key: &str, next: &Next) -> Vec<Record> {
    let store = shared.store();
    let mut records = vec![handed(key, next)];
    let queue = store.state.functions.get(key).and_then(|function| function.delivery.dead_letters.clone());
    if let Some(queue) = queue {
        let draft = Draft { body: next.event.clone(), ..Draft::default() };
        let _ = store.draft(&queue, draft, &mut records, now());
    }
    records
}

fn handed(key: &str, next: &Next) -> Record {
    Record::Handed { key: key.to_owned(), order: next.order }
}

/// If the disk is full, the event is handed over once more.
fn commit(shared: &Shared, records: Vec<Record>) -> bool {
    shared.store().commit(records, now()).is_ok()
}

#[cfg(test)]
#[path = "handing_tests.rs"]
mod tests;
