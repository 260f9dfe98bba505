//! Compares a declaration with the state. Gives the records that make the difference, or every problem of the
//! declaration.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{Attributes, Config, FunctionSubscription};
use super::record::{Definition, Record, Subscribed, function_key};
use super::sns;
use super::state::Subscription;
use super::store::Store;
use super::{arn, settings};

/// The records that make the difference. Queues that stay keep their messages. Things that SDKs have made are left
/// alone, unless they are declared now.
pub fn difference(store: &Store, config: &Config, now: u64) -> Result<Vec<Record>, Vec<String>> {
    check(store, config)?;
    let mut records = Vec::new();
    let state = &store.state;
    for (name, queue) in &state.queues {
        if queue.definition.declared && !config.queues.contains_key(name) {
            records.push(Record::QueueGone { name: name.clone() });
        }
    }
    for (name, attributes) in &config.queues {
        let existing = state.queues.get(name).map(|queue| &queue.definition);
        if let Some(definition) = changed(existing, attributes, now) {
            records.push(Record::Queue { name: name.clone(), definition });
        }
    }
    for (name, topic) in &state.topics {
        if topic.definition.declared && !config.topics.contains_key(name) {
            records.push(Record::TopicGone { name: name.clone() });
        }
    }
    for (name, attributes) in &config.topics {
        let existing = state.topics.get(name).map(|topic| &topic.definition);
        if let Some(definition) = changed(existing, attributes, now) {
            records.push(Record::Topic { name: name.clone(), definition });
        }
    }
    records.extend(elsewhere(store, config));
    let mut wanted = subscriptions(store, config);
    for (arn, Subscription { subscribed, .. }) in &state.subscriptions {
        let same = |other: &Subscribed| other.topic == subscribed.topic && other.queue == subscribed.queue;
        // A subscription that an SDK made under another region or account moves with its topic. Otherwise it would
        // deliver beside the declared one.
        if !subscribed.declared && !wanted.values().any(same) {
            let attributes = moved(store, &subscribed.attributes);
            let topic = store.place.topic(&subscribed.topic);
            let here = format!("{topic}:{}", arn::subscription_id(arn));
            wanted.insert(here, Subscribed { attributes, ..subscribed.clone() });
        }
        if !wanted.contains_key(arn) {
            records.push(Record::SubscriptionGone { arn: arn.clone() });
        }
    }
    for (arn, subscription) in wanted {
        if state.subscriptions.get(&arn).is_none_or(|existing| existing.subscribed != subscription) {
            records.push(Record::Subscription { arn, subscription });
        }
    }
    records.extend(functions(store, config));
    Ok(records)
}

/// The records that change the subscriptions of functions. A subscription that stays keeps what it has not handed over
/// yet, also when the function's part listens at another port.
fn functions(store: &Store, config: &Config) -> Vec<Record> {
    let of = |subscription: &FunctionSubscription| function_key(&subscription.topic, &subscription.function);
    let wanted: BTreeMap<String, &FunctionSubscription> = config.functions.iter().map(|it| (of(it), it)).collect();
    let existing = &store.state.functions;
    let gone =
        existing.keys().filter(|key| !wanted.contains_key(*key)).map(|key| Record::FunctionGone { key: key.clone() });
    let changed = wanted.iter().filter(|(key, subscription)| {
        existing.get(*key).is_none_or(|existing| existing.subscription != ***subscription)
    });
    let changed =
        changed.map(|(key, subscription)| Record::Function { key: key.clone(), subscription: (*subscription).clone() });
    gone.chain(changed).collect()
}

/// The topics and queues that SDKs have made, with the partition, region and account of this place in the ARNs of their
/// attributes. The list has only those that this changes.
fn elsewhere(store: &Store, config: &Config) -> Vec<Record> {
    let moves = |definition: &Definition| {
        let attributes = moved(store, &definition.attributes);
        (attributes != definition.attributes).then(|| Definition { attributes, ..definition.clone() })
    };
    let queues = store.state.queues.iter().filter(|(name, _)| !config.queues.contains_key(*name));
    let queues = queues
        .filter(|(_, queue)| !queue.definition.declared)
        .filter_map(|(name, queue)| Some(Record::Queue { name: name.clone(), definition: moves(&queue.definition)? }));
    let topics = store.state.topics.iter().filter(|(name, _)| !config.topics.contains_key(*name));
    let topics = topics
        .filter(|(_, topic)| !topic.definition.declared)
        .filter_map(|(name, topic)| Some(Record::Topic { name: name.clone(), definition: moves(&topic.definition)? }));
    queues.chain(topics).collect()
}

fn moved(store: &Store, attributes: &Attributes) -> Attributes {
    attributes.iter().map(|(name, value)| (name.clone(), store.place.rewrite(value))).collect()
}

fn check(store: &Store, config: &Config) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    for (name, attributes) in &config.queues {
        match settings::parse(name, attributes) {
            Err(refusal) => problems.push(format!("queue {name}: {}", refusal.message)),
            Ok(parsed) => {
                let target = parsed.redrive.map(|redrive| redrive.queue);
                if let Some(target) = target.filter(|target| !will_be(store, config, target)) {
                    problems.push(format!("queue {name}: there is no queue {target} for its dead letters"));
                }
            }
        }
    }
    for (name, attributes) in &config.topics {
        if let Err(refusal) = sns::check_topic(name, attributes) {
            problems.push(format!("topic {name}: {}", refusal.message));
        }
    }
    let mut seen = BTreeSet::new();
    for subscription in &config.subscriptions {
        let (topic, queue) = (&subscription.topic, &subscription.queue);
        let mut problem = |what: String| problems.push(format!("subscription of {queue} to {topic}: {what}"));
        if !config.topics.contains_key(topic) {
            problem(format!("there is no topic {topic}"));
        }
        if !will_be(store, config, queue) {
            problem(format!("there is no queue {queue}"));
        }
        if !seen.insert((topic, queue)) {
            problem("it is there twice".to_owned());
        }
        if let Err(refusal) = sns::check_subscription(&subscribed(topic, queue, &subscription.attributes)) {
            problem(refusal.message);
        }
    }
    for FunctionSubscription { topic, function, attributes, port: _ } in &config.functions {
        let mut problem = |what: String| problems.push(format!("subscription of {function} to {topic}: {what}"));
        if !config.topics.contains_key(topic) {
            problem(format!("there is no topic {topic}"));
        }
        if arn::is_fifo(topic) {
            problem("a FIFO topic delivers to queues only".to_owned());
        }
        if !seen.insert((topic, function)) {
            problem("it is there twice".to_owned());
        }
        match sns::delivery::parse(attributes) {
            Ok(delivery) if delivery.raw => problem("RawMessageDelivery is not for functions".to_owned()),
            Ok(_) => {}
            Err(refusal) => problem(refusal.message),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn will_be(store: &Store, config: &Config, queue: &str) -> bool {
    let stays = || store.state.queues.get(queue).is_some_and(|queue| !queue.definition.declared);
    config.queues.contains_key(queue) || stays()
}

fn changed(existing: Option<&Definition>, attributes: &Attributes, now: u64) -> Option<Definition> {
    let Some(existing) = existing else {
        let tags = BTreeMap::new();
        return Some(Definition { attributes: attributes.clone(), tags, created: now, modified: now, declared: true });
    };
    if existing.declared && existing.attributes == *attributes {
        return None;
    }
    Some(Definition { attributes: attributes.clone(), modified: now, declared: true, ..existing.clone() })
}

fn subscriptions(store: &Store, config: &Config) -> BTreeMap<String, Subscribed> {
    let mut wanted = BTreeMap::new();
    for subscription in &config.subscriptions {
        let (topic, queue) = (&subscription.topic, &subscription.queue);
        let subscribed = subscribed(topic, queue, &subscription.attributes);
        // A subscription that an SDK made between the same two is taken over: two subscriptions would deliver twice.
        let same = |other: &Subscribed| other.topic == *topic && other.queue == *queue;
        let existing = store.state.subscriptions.iter().find(|(_, existing)| same(&existing.subscribed));
        let id = existing
            .map_or_else(|| arn::id_of(&format!("{topic} {queue}")), |(arn, _)| arn::subscription_id(arn).to_owned());
        wanted.insert(format!("{}:{id}", store.place.topic(topic)), subscribed);
    }
    wanted
}

fn subscribed(topic: &str, queue: &str, attributes: &Attributes) -> Subscribed {
    Subscribed { topic: topic.to_owned(), queue: queue.to_owned(), attributes: attributes.clone(), declared: true }
}
