//! Delivers events to the search domain. If a failure may pass, the events are sent again, and only they, until the
//! time is over.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::bulk::{self, Batch, Item};
use super::failed::Refused;
use super::pause::Pause;
use super::payload::Events;
use super::search::{self, Answered, Verdict};
use super::{Forwarder, Tally};

/// Delivers the events. Gives what became of them, and the events that the search domain will never take.
pub async fn deliver(forwarder: &Forwarder, events: &Events, until: Instant) -> (Tally, Vec<Refused>) {
    let (batches, refused) = bulk::batches(forwarder.config.index_prefix(&events.log_group), events);
    let mut delivery = Delivery { tally: Tally::default(), refused, again: Vec::new() };
    let mut pause = Pause::new(forwarder.config.first_pause);
    let mut round: VecDeque<_> = batches.into_iter().map(|batch| (batch, None)).collect();
    // This works in rounds, so that every event is tried once before any is tried twice.
    loop {
        let settled = delivery.settled();
        while let Some((batch, before)) = round.pop_front() {
            match search::bulk(forwarder, &batch, until).await {
                Answered::Items(verdicts) => delivery.settle(&batch, verdicts),
                Answered::Again(reason) => delivery.again.push((batch, reason)),
                // The time ended this attempt. What the one before met says more.
                Answered::TimeOver(reason) => delivery.again.push((batch, before.unwrap_or(reason))),
                // Perhaps only one event is to blame. So each half is sent by itself, down to a single event.
                Answered::Refused(reason) => match batch.items.split_at(batch.items.len() / 2) {
                    ([], all) => delivery.refuse(all, &reason),
                    (first, second) => round.extend([(batch.only(first), None), (batch.only(second), None)]),
                },
                Answered::Denied(reason) => delivery.tally.leave(batch.items.len(), reason),
            }
        }
        if delivery.again.is_empty() {
            break;
        }
        if delivery.settled() > settled {
            pause.reset();
        }
        if !pause.wait(until).await {
            for (batch, reason) in std::mem::take(&mut delivery.again) {
                delivery.tally.leave(batch.items.len(), reason);
            }
            break;
        }
        round.extend(delivery.again.drain(..).map(|(batch, reason)| (batch, Some(reason))));
    }
    (delivery.tally, delivery.refused)
}

struct Delivery {
    tally: Tally,
    refused: Vec<Refused>,
    /// The batches whose failure may pass, each with its failure.
    again: Vec<(Batch, String)>,
}

impl Delivery {
    fn settled(&self) -> usize {
        self.tally.stored + self.tally.already_stored + self.refused.len()
    }

    fn settle(&mut self, batch: &Batch, verdicts: Vec<Verdict>) {
        let mut again = Vec::new();
        let mut first_reason = None;
        for (item, verdict) in batch.items.iter().zip(verdicts) {
            match verdict {
                Verdict::Stored => self.tally.stored += 1,
                Verdict::AlreadyStored => self.tally.already_stored += 1,
                Verdict::Refused(reason) => self.refused.push(Refused { event: item.event, reason }),
                Verdict::Again(reason) => {
                    again.push(item.clone());
                    first_reason.get_or_insert(reason);
                }
            }
        }
        if let Some(reason) = first_reason {
            self.again.push((batch.only(&again), reason));
        }
    }

    fn refuse(&mut self, items: &[Item], reason: &str) {
        self.refused.extend(items.iter().map(|item| Refused { event: item.event, reason: reason.to_owned() }));
    }
}
