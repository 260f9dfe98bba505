//! One queue in memory: its records, and what follows from them and the time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::record::{Definition, Message, Record};
use super::seen::Memory;
use super::settings::Settings;

pub struct Queue {
    pub definition: Definition,
    pub settings: Settings,
    messages: BTreeMap<u64, Message>,
    /// The messages that can be received. The others are in `hidden`, by the time when they can.
    ready: BTreeSet<u64>,
    hidden: BTreeSet<(u64, u64)>,
    by_age: BTreeSet<(u64, u64)>,
    pub seen: Memory,
    /// Wakes receivers that wait.
    pub wake: Arc<Notify>,
}

/// The most messages in flight.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
const MOST_IN_FLIGHT: usize = 120_000;

/// How many messages there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Depth {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// The messages for a receiver, and those that it must not get.
pub struct Chosen {
    pub orders: Vec<u64>,
    /// The messages that were received too often already.
    pub dead: Vec<u64>,
    pub too_many_in_flight: bool,
}

impl Queue {
    pub fn new(definition: Definition, settings: Settings) -> Self {
        Queue {
            definition,
            settings,
            messages: BTreeMap::new(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            by_age: BTreeSet::new(),
            seen: Memory::default(),
            wake: Arc::new(Notify::new()),
        }
    }

    pub fn message(&self, order: u64) -> Option<&Message> {
        self.messages.get(&order)
    }

    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Makes every message ready that can be received by now.
    pub fn settle(&mut self, now: u64) {
        while let Some(&(visible, order)) = self.hidden.first()
            && visible <= now
        {
            self.hidden.pop_first();
            self.ready.insert(order);
        }
    }

    /// The time when another look is worth it, though nothing was sent.
    pub fn next_visible(&self) -> Option<u64> {
        self.hidden.first().map(|(visible, _)| *visible)
    }

    pub fn expired(&self, now: u64) -> Vec<u64> {
        let before = now.saturating_sub(self.settings.retention * 1000);
        self.by_age.iter().take_while(|(sent, _)| *sent <= before).map(|(_, order)| *order).collect()
    }

    /// Chooses messages for a receiver. [`Queue::settle`] must come first. With a limit, a message that was received
    /// that often is a dead letter.
    pub fn choose(&self, most: usize, limit: Option<u32>) -> Chosen {
        let mut chosen = Chosen { orders: Vec::new(), dead: Vec::new(), too_many_in_flight: false };
        if self.hidden.len() >= MOST_IN_FLIGHT && self.in_flight() >= MOST_IN_FLIGHT {
            chosen.too_many_in_flight = true;
            return chosen;
        }
        let blocked = self.blocked_groups();
        for order in &self.ready {
            if chosen.orders.len() == most {
                break;
            }
            let Some(message) = self.messages.get(order) else {
                continue;
            };
            if message.group.as_ref().is_some_and(|group| blocked.contains(group)) {
                continue;
            }
            match limit {
                Some(limit) if message.receives >= limit => chosen.dead.push(*order),
                _ => chosen.orders.push(*order),
            }
        }
        chosen
    }

    /// The messages that [`Queue::settle`] found ready.
    pub fn ready(&self) -> impl Iterator<Item = &Message> {
        self.ready.iter().filter_map(|order| self.messages.get(order))
    }

    /// The depth. [`Queue::settle`] must come first.
    pub fn depth(&self) -> Depth {
        let in_flight = self.in_flight();
        Depth { visible: self.ready.len(), in_flight, delayed: self.hidden.len() - in_flight }
    }

    /// The records that make this queue's messages and its memory of duplicates.
    pub fn snapshot<'a>(&'a self, name: &'a str, arn: String, now: u64) -> impl Iterator<Item = Record> + 'a {
        let queue = Record::Queue { name: name.to_owned(), definition: self.definition.clone() };
        let sent = self.messages.values();
        let sent = sent.map(move |message| Record::Sent { queue: name.to_owned(), message: message.clone() });
        let seen = self.seen.iter(now).map(move |(deduplication, seen)| Record::Seen {
            arn: arn.clone(),
            deduplication: deduplication.clone(),
            seen: seen.clone(),
        });
        std::iter::once(queue).chain(sent).chain(seen)
    }

    pub fn apply_sent(&mut self, message: Message) {
        self.by_age.insert((message.sent, message.order));
        self.hidden.insert((message.visible, message.order));
        self.messages.insert(message.order, message);
        self.wake.notify_waiters();
    }

    pub fn apply_received(&mut self, orders: &[u64], at: u64, until: u64) {
        for order in orders {
            self.hide(*order, until);
            if let Some(message) = self.messages.get_mut(order) {
                message.receives += 1;
                if message.first_received == 0 {
                    message.first_received = at;
                }
            }
        }
    }

    pub fn apply_hidden(&mut self, order: u64, until: u64) {
        self.hide(order, until);
        self.wake.notify_waiters();
    }

    pub fn apply_gone(&mut self, orders: &[u64]) {
        for order in orders {
            if let Some(message) = self.messages.remove(order) {
                self.ready.remove(order);
                self.hidden.remove(&(message.visible, *order));
                self.by_age.remove(&(message.sent, *order));
            }
        }
        // The other messages of its group may go on.
        if self.settings.fifo {
            self.wake.notify_waiters();
        }
    }

    fn hide(&mut self, order: u64, until: u64) {
        let Some(message) = self.messages.get_mut(&order) else {
            return;
        };
        self.ready.remove(&order);
        self.hidden.remove(&(message.visible, order));
        message.visible = until;
        self.hidden.insert((until, order));
    }

    fn in_flight(&self) -> usize {
        self.messages_in_flight().count()
    }

    /// The groups of a FIFO queue that have a message in flight. None of their messages can be received.
    fn blocked_groups(&self) -> HashSet<&String> {
        if !self.settings.fifo {
            return HashSet::new();
        }
        self.messages_in_flight().filter_map(|message| message.group.as_ref()).collect()
    }

    fn messages_in_flight(&self) -> impl Iterator<Item = &Message> {
        let hidden = self.hidden.iter().filter_map(|(_, order)| self.messages.get(order));
        hidden.filter(|message| message.receives > 0)
    }
}
