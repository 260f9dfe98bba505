//! The messages of a queue, for a function: received, collected, handled, deleted.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::failure::{LARGEST_ANSWER, Outcome};
use super::pool::{Patience, Pool, Readiness};
use super::records;
use super::sqs::{MOST, Message, Queues};
use super::store::trace_id;
use crate::listen::log;
use crate::messaging::new_id;

/// A queue that a function takes.
pub struct Mapping {
    pub url: String,
    pub arn: String,
    pub batch: usize,
    pub window: Duration,
    pub most: usize,
    pub is_partial: bool,
}

/// The wait after the queue could not be asked.
const TROUBLE: Duration = Duration::from_millis(500);
const LONG_POLL: u64 = 20;

/// Takes messages for ever. They are received only while there is room for their event, because their visibility
/// timeout begins then.
pub async fn run(pool: Arc<Pool>, mapping: Mapping) {
    if pool.readiness().wait_for(|readiness| *readiness == Readiness::Ready).await.is_err() {
        return;
    }
    let (mapping, queues) = (Arc::new(mapping), Arc::new(Queues::new()));
    let room = Arc::new(Semaphore::new(mapping.most));
    let mut in_trouble = false;
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let received = collect(&queues, &mapping).await;
        if let Some(error) = &received.trouble
            && !in_trouble
        {
            log(&format!("the queue {} cannot be asked: {error}", mapping.url));
        }
        in_trouble = received.trouble.is_some();
        if received.messages.is_empty() {
            if in_trouble {
                tokio::time::sleep(TROUBLE).await;
            }
            continue;
        }
        let (pool, mapping, queues) = (Arc::clone(&pool), Arc::clone(&mapping), Arc::clone(&queues));
        tokio::spawn(async move {
            for messages in records::events(received.messages, mapping.batch, LARGEST_ANSWER) {
                handle(&pool, &mapping, &queues, &messages).await;
            }
            drop(permit);
        });
    }
}

struct Collected {
    messages: Vec<Message>,
    trouble: Option<String>,
}

/// Receives until there are enough messages, or the window is over.
async fn collect(queues: &Queues, mapping: &Mapping) -> Collected {
    let mut collected = Collected { messages: Vec::new(), trouble: None };
    let mut end: Option<Instant> = None;
    loop {
        let rest = end.map(|end| end.saturating_duration_since(Instant::now()));
        // SQS counts the wait in whole seconds.
        let wait = rest.map_or(LONG_POLL, |rest| rest.as_secs().min(LONG_POLL));
        let missing = mapping.batch.saturating_sub(collected.messages.len());
        match queues.receive(&mapping.url, missing.min(MOST), wait).await {
            Ok(messages) => collected.messages.extend(messages),
            Err(error) => collected.trouble = Some(format!("{error:#}")),
        }
        if collected.messages.is_empty() || collected.trouble.is_some() || collected.messages.len() >= mapping.batch {
            return collected;
        }
        let end = *end.get_or_insert_with(|| Instant::now() + mapping.window);
        match end.saturating_duration_since(Instant::now()) {
            rest if rest.is_zero() => return collected,
            // The last part of a second is waited for here.
            rest if rest < Duration::from_secs(1) => tokio::time::sleep(rest.min(Duration::from_millis(100))).await,
            _ => {}
        }
    }
}

/// Hands the messages over, and deletes those that the function has handled. The others come back when their visibility
/// timeout is over.
async fn handle(pool: &Arc<Pool>, mapping: &Mapping, queues: &Queues, messages: &[Message]) {
    let event = Bytes::from(records::event(messages, &mapping.arn));
    let Ok(Outcome::Answered(answer)) = pool.invoke(&new_id(), event, &trace_id(), Patience::Waits).await else {
        return;
    };
    let handled = records::handled(messages, &answer, mapping.is_partial);
    if handled.len() < messages.len() {
        let failed = messages.len() - handled.len();
        log(&format!("{failed} of {} messages failed, and come again", messages.len()));
    }
    // A message that stays is handled twice. So it is deleted also when the server of messages is just starting again.
    for _ in 0..10 {
        match queues.delete(&mapping.url, &handled).await {
            Ok(()) => return,
            Err(error) => log(&format!("handled messages are not deleted yet: {error:#}")),
        }
        tokio::time::sleep(TROUBLE).await;
    }
}
