//! The ids that a FIFO queue or topic has taken in the last five minutes, and does not take again.

use std::collections::{HashMap, VecDeque};

use super::record::Seen;

pub const DEDUPLICATION: u64 = 5 * 60 * 1000;

#[derive(Default)]
pub struct Memory {
    seen: HashMap<String, Seen>,
    /// The ids in the order of their coming, so that forgetting costs nothing.
    queue: VecDeque<(u64, String)>,
}

impl Memory {
    pub fn get(&self, deduplication: &str, now: u64) -> Option<&Seen> {
        self.seen.get(deduplication).filter(|seen| seen.at + DEDUPLICATION > now)
    }

    pub fn insert(&mut self, deduplication: String, seen: Seen) {
        while let Some((at, _)) = self.queue.front()
            && at + DEDUPLICATION <= seen.at
        {
            let Some((at, old)) = self.queue.pop_front() else {
                break;
            };
            if self.seen.get(&old).is_some_and(|seen| seen.at == at) {
                self.seen.remove(&old);
            }
        }
        self.queue.push_back((seen.at, deduplication.clone()));
        self.seen.insert(deduplication, seen);
    }

    pub fn iter(&self, now: u64) -> impl Iterator<Item = (&String, &Seen)> {
        // The ids are in their order again: a log that is read back must forget as this does.
        let fresh = self.queue.iter().filter(move |(at, _)| at + DEDUPLICATION > now);
        fresh
            .filter_map(|(at, deduplication)| self.seen.get_key_value(deduplication).filter(|(_, seen)| seen.at == *at))
    }
}
