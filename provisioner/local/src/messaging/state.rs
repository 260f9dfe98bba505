//! The whole state in memory. It changes by records only, so that reading the log back gives the same state.

use std::collections::BTreeMap;

use super::arn::Place;
use super::config::FunctionSubscription;
use super::queue::Queue;
use super::record::{Definition, Record, Seen, Subscribed};
use super::seen::Memory;
use super::sns::delivery::{self, Delivery};
use super::{arn, settings};

#[derive(Default)]
pub struct State {
    pub queues: BTreeMap<String, Queue>,
    pub topics: BTreeMap<String, Topic>,
    /// The subscriptions, by ARN.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// The subscriptions of functions, by their keys.
    pub functions: BTreeMap<String, Function>,
    /// The events that functions have not been handed yet, by the key of the subscription and in their order.
    pub handing: BTreeMap<String, BTreeMap<u64, String>>,
    /// The order of the next message.
    pub next: u64,
}

pub struct Topic {
    pub definition: Definition,
    pub seen: Memory,
}

pub struct Subscription {
    pub subscribed: Subscribed,
    pub delivery: Delivery,
}

pub struct Function {
    pub subscription: FunctionSubscription,
    pub delivery: Delivery,
}

impl State {
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Queue { name, definition } => {
                // The attributes were checked before they were written down. If somebody tampered with the log, there
                // is no such queue.
                let Ok(settings) = settings::parse(&name, &definition.attributes) else {
                    return;
                };
                match self.queues.get_mut(&name) {
                    Some(queue) => {
                        queue.definition = definition;
                        queue.settings = settings;
                        queue.wake.notify_waiters();
                    }
                    None => {
                        self.queues.insert(name, Queue::new(definition, settings));
                    }
                }
            }
            Record::QueueGone { name } => {
                if let Some(queue) = self.queues.remove(&name) {
                    queue.wake.notify_waiters();
                }
            }
            Record::Topic { name, definition } => match self.topics.get_mut(&name) {
                Some(topic) => topic.definition = definition,
                None => {
                    self.topics.insert(name, Topic { definition, seen: Memory::default() });
                }
            },
            Record::TopicGone { name } => {
                self.topics.remove(&name);
                self.subscriptions.retain(|_, subscription| subscription.subscribed.topic != name);
                self.functions.retain(|_, function| function.subscription.topic != name);
                let functions = &self.functions;
                self.handing.retain(|key, _| functions.contains_key(key));
            }
            Record::Subscription { arn, subscription: subscribed } => {
                // The attributes were checked before they were written down, like those of the queues.
                if let Ok(delivery) = delivery::parse(&subscribed.attributes) {
                    self.subscriptions.insert(arn, Subscription { subscribed, delivery });
                }
            }
            Record::SubscriptionGone { arn } => {
                self.subscriptions.remove(&arn);
            }
            Record::Function { key, subscription } => {
                if let Ok(delivery) = delivery::parse(&subscription.attributes) {
                    self.functions.insert(key, Function { subscription, delivery });
                }
            }
            Record::FunctionGone { key } => {
                self.functions.remove(&key);
                self.handing.remove(&key);
            }
            Record::Handing { key, order, event } => {
                self.next = self.next.max(order + 1);
                if self.functions.contains_key(&key) {
                    self.handing.entry(key).or_default().insert(order, event);
                }
            }
            Record::Handed { key, order } => {
                if let Some(events) = self.handing.get_mut(&key) {
                    events.remove(&order);
                    if events.is_empty() {
                        self.handing.remove(&key);
                    }
                }
            }
            Record::Sent { queue, message } => {
                self.next = self.next.max(message.order + 1);
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.apply_sent(message);
                }
            }
            Record::Received { queue, orders, at, until } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.apply_received(&orders, at, until);
                }
            }
            Record::Hidden { queue, order, until } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.apply_hidden(order, until);
                }
            }
            Record::Gone { queue, orders } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.apply_gone(&orders);
                }
            }
            Record::Seen { arn, deduplication, seen } => self.apply_seen(&arn, deduplication, seen),
            Record::Next { order } => self.next = self.next.max(order),
        }
    }

    /// The records that make this state.
    pub fn snapshot<'a>(&'a self, place: &'a Place, now: u64) -> impl Iterator<Item = Record> + 'a {
        let next = std::iter::once(Record::Next { order: self.next });
        // Queues come first: a message to a queue that is not there is lost.
        let queues = self.queues.iter().flat_map(move |(name, queue)| queue.snapshot(name, place.queue(name), now));
        let topics = self.topics.iter().flat_map(move |(name, topic)| {
            let definition = Record::Topic { name: name.clone(), definition: topic.definition.clone() };
            let seen = topic.seen.iter(now).map(move |(deduplication, seen)| Record::Seen {
                arn: place.topic(name),
                deduplication: deduplication.clone(),
                seen: seen.clone(),
            });
            std::iter::once(definition).chain(seen)
        });
        let subscriptions = self.subscriptions.iter().map(|(arn, subscription)| Record::Subscription {
            arn: arn.clone(),
            subscription: subscription.subscribed.clone(),
        });
        let functions = self
            .functions
            .iter()
            .map(|(key, function)| Record::Function { key: key.clone(), subscription: function.subscription.clone() });
        let handing = self.handing.iter().flat_map(|(key, events)| {
            events.iter().map(|(order, event)| Record::Handing {
                key: key.clone(),
                order: *order,
                event: event.clone(),
            })
        });
        next.chain(queues).chain(topics).chain(subscriptions).chain(functions).chain(handing)
    }

    fn apply_seen(&mut self, of: &str, deduplication: String, seen: Seen) {
        self.next = self.next.max(seen.order + 1);
        if let Some(topic) = arn::topic_name(of).and_then(|name| self.topics.get_mut(name)) {
            topic.seen.insert(deduplication, seen);
        } else if let Some(queue) = arn::queue_name(of).and_then(|name| self.queues.get_mut(name)) {
            queue.seen.insert(deduplication, seen);
        }
    }
}
