//! The state and its log, with everything that can be done to messages. Every function is told the time, so that tests
//! can make it pass.

use std::io;
use std::path::Path;

use super::arn::Place;
use super::attribute::{Attribute, MessageAttributes};
use super::handle::Handle;
use super::log::Log;
use super::queue::Queue;
use super::record::{Message, Record, Seen};
use super::refusal::Refusal;
use super::state::State;

pub struct Store {
    pub place: Place,
    pub state: State,
    log: Log,
}

/// A message that is to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    pub body: String,
    pub attributes: MessageAttributes,
    pub trace: Option<Attribute>,
    pub group: Option<String>,
    pub deduplication: Option<String>,
    /// The delay in seconds. Without it the queue's own delay counts.
    pub delay: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub id: String,
    pub order: u64,
}

#[derive(Debug)]
pub struct Received {
    pub messages: Vec<Message>,
    /// The time when there may be messages, though nothing is sent.
    pub again_at: Option<u64>,
}

impl Store {
    pub fn open(directory: &Path, place: Place) -> io::Result<Store> {
        let mut state = State::default();
        let log = Log::open(directory, |record| state.apply(record))?;
        Ok(Store { place, state, log })
    }

    /// Applies all records after they were written down, or none.
    pub fn commit(&mut self, records: Vec<Record>, now: u64) -> Result<(), Refusal> {
        if records.is_empty() {
            return Ok(());
        }
        self.log.append(&records).map_err(|error| Refusal::internal(&error))?;
        for record in records {
            self.state.apply(record);
        }
        if self.log.wants_compaction() {
            // If there is no room for a new log, the old one stays.
            let _ = self.compact(now);
        }
        Ok(())
    }

    pub fn close(&mut self) {
        self.log.close();
    }

    pub fn compact(&mut self, now: u64) -> io::Result<()> {
        self.log.compact(self.state.snapshot(&self.place, now))
    }

    /// The queue as it is now: with the messages that have become visible, and without those that have expired.
    pub fn queue(&mut self, name: &str, now: u64) -> Result<&Queue, Refusal> {
        let queue = self.state.queues.get_mut(name).ok_or_else(no_queue)?;
        queue.settle(now);
        let expired = queue.expired(now);
        if !expired.is_empty() {
            self.commit(vec![Record::Gone { queue: name.to_owned(), orders: expired }], now)?;
        }
        self.state.queues.get(name).ok_or_else(no_queue)
    }

    /// Sends all messages or none of them.
    pub fn send(&mut self, name: &str, drafts: Vec<Draft>, now: u64) -> Result<Vec<Sent>, Refusal> {
        let mut records = Vec::new();
        let mut sent = Vec::new();
        for draft in drafts {
            sent.push(self.draft(name, draft, &mut records, now)?);
        }
        self.commit(records, now)?;
        Ok(sent)
    }

    /// Adds the records that send `draft` to `records`, which are to be committed together.
    pub fn draft(&self, name: &str, draft: Draft, records: &mut Vec<Record>, now: u64) -> Result<Sent, Refusal> {
        let queue = self.state.queues.get(name).ok_or_else(no_queue)?;
        let order = self.next_order(records);
        let sent = Sent { id: new_id(), order };
        let arn = self.place.queue(name);
        if let Some(own) = draft.deduplication.as_ref().filter(|_| queue.settings.fifo) {
            let deduplication = match &draft.group {
                Some(group) if queue.settings.per_group => format!("{group} {own}"),
                _ => own.clone(),
            };
            if let Some(seen) = queue.seen.get(&deduplication, now).or_else(|| seen_in(records, &arn, &deduplication)) {
                return Ok(Sent { id: seen.id.clone(), order: seen.order });
            }
            let seen = Seen { id: sent.id.clone(), order, at: now };
            records.push(Record::Seen { arn, deduplication, seen });
        }
        let message = Message {
            id: sent.id.clone(),
            order,
            body: draft.body,
            attributes: draft.attributes,
            trace: draft.trace,
            group: draft.group,
            deduplication: draft.deduplication,
            sent: now,
            visible: now + draft.delay.unwrap_or(queue.settings.delay) * 1000,
            receives: 0,
            first_received: 0,
            source: None,
        };
        records.push(Record::Sent { queue: name.to_owned(), message });
        Ok(sent)
    }

    pub fn receive(&mut self, name: &str, most: usize, visibility: Option<u64>, now: u64) -> Result<Received, Refusal> {
        let settings = self.queue(name, now)?.settings.clone();
        // If the dead-letter queue is missing, dead letters stay where they are.
        let redrive = settings.redrive.filter(|redrive| self.state.queues.contains_key(&redrive.queue));
        let chosen = self.queue(name, now)?.choose(most, redrive.as_ref().map(|redrive| redrive.limit));
        if chosen.too_many_in_flight {
            return Err(Refusal::new("OverLimit", "Too many messages in flight"));
        }
        let until = now + visibility.unwrap_or(settings.visibility) * 1000;
        let mut records = Vec::new();
        if let Some(redrive) = redrive.filter(|_| !chosen.dead.is_empty()) {
            records = self.dead_letters(name, &redrive.queue, &chosen.dead, now);
        }
        if !chosen.orders.is_empty() {
            let orders = chosen.orders.clone();
            records.push(Record::Received { queue: name.to_owned(), orders, at: now, until });
        }
        self.commit(records, now)?;
        let queue = self.state.queues.get(name).ok_or_else(no_queue)?;
        let messages = chosen.orders.iter().filter_map(|order| queue.message(*order).cloned()).collect();
        Ok(Received { messages, again_at: queue.next_visible() })
    }

    /// Deletes messages. A standard queue takes any handle that it once gave out. A FIFO queue takes none whose time is
    /// over.
    pub fn delete(&mut self, name: &str, handles: &[Handle], now: u64) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let queue = self.state.queues.get(name).ok_or_else(no_queue)?;
        let mut orders = Vec::new();
        let mut answers = Vec::new();
        for handle in handles {
            let Some(message) = queue.message(handle.order) else {
                // The message was deleted before. Deleting is idempotent.
                answers.push(Ok(()));
                continue;
            };
            if queue.settings.fifo && (handle.receive != message.receives || message.visible <= now) {
                let message = format!(
                    "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
                );
                answers.push(Err(Refusal::new("InvalidParameterValue", message)));
                continue;
            }
            orders.push(handle.order);
            answers.push(Ok(()));
        }
        if !orders.is_empty() {
            self.commit(vec![Record::Gone { queue: name.to_owned(), orders }], now)?;
        }
        Ok(answers)
    }

    pub fn hide(&mut self, name: &str, handle: &Handle, seconds: u64, now: u64) -> Result<(), Refusal> {
        let queue = self.state.queues.get(name).ok_or_else(no_queue)?;
        let Some(message) = queue.message(handle.order) else {
            let message = format!(
                "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                 available for visibility timeout change."
            );
            return Err(Refusal::new("InvalidParameterValue", message));
        };
        if message.visible <= now {
            if !queue.settings.fifo {
                // It is too late, and SQS does not report it: the message stays visible.
                return Ok(());
            }
            let text = "The specified message isn't in flight.";
            return Err(Refusal::new("MessageNotInflight", text));
        }
        let until = now + seconds * 1000;
        self.commit(vec![Record::Hidden { queue: name.to_owned(), order: handle.order, until }], now)
    }

    pub fn purge(&mut self, name: &str, now: u64) -> Result<(), Refusal> {
        let orders: Vec<u64> = self.queue(name, now)?.messages().map(|message| message.order).collect();
        if orders.is_empty() {
            return Ok(());
        }
        self.commit(vec![Record::Gone { queue: name.to_owned(), orders }], now)
    }

    pub fn next_order(&self, records: &[Record]) -> u64 {
        let given = |record: &Record| match record {
            Record::Sent { message, .. } => Some(message.order + 1),
            Record::Seen { seen, .. } => Some(seen.order + 1),
            Record::Handing { order, .. } => Some(order + 1),
            _ => None,
        };
        records.iter().rev().find_map(given).unwrap_or(self.state.next).max(self.state.next)
    }

    /// The records that move messages from a queue into its dead-letter queue.
    fn dead_letters(&self, from: &str, to: &str, orders: &[u64], now: u64) -> Vec<Record> {
        let (Some(source), Some(target)) = (self.state.queues.get(from), self.state.queues.get(to)) else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for message in orders.iter().filter_map(|order| source.message(*order)) {
            let mut moved = message.clone();
            moved.order = self.next_order(&records);
            moved.visible = now;
            moved.receives = 0;
            moved.first_received = 0;
            moved.source = Some(self.place.queue(from));
            // A message of a standard queue keeps its age, and expires the earlier.
            if target.settings.fifo {
                moved.sent = now;
            }
            records.push(Record::Sent { queue: to.to_owned(), message: moved });
        }
        records.push(Record::Gone { queue: from.to_owned(), orders: orders.to_vec() });
        records
    }
}

pub fn no_queue() -> Refusal {
    Refusal::new("QueueDoesNotExist", "The specified queue does not exist.")
}

/// A random UUID.
pub fn new_id() -> String {
    let bits = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn seen_in<'a>(records: &'a [Record], of: &str, what: &str) -> Option<&'a Seen> {
    records.iter().find_map(|record| match record {
        Record::Seen { arn, deduplication, seen } if arn == of && deduplication == what => Some(seen),
        _ => None,
    })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
