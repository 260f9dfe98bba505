//! The way of a probe through the functions of a stack: what it reads over HTTP, where it sends one marked event, and
//! which functions count that event on its way. Nothing of it is applied, so a probe leaves everything as it was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Function;
use crate::scope::hex;
use crate::sections::Stack;
use crate::sections::services::roles;
use crate::sections::words::Name;

#[derive(Debug, PartialEq)]
pub(crate) struct Way<'a> {
    /// The functions that a request is sent to, each with a path that only reads.
    pub(crate) reads: Vec<(&'a str, &'static str)>,
    /// The topics that a marked event is sent to. It goes on from there by itself.
    pub(crate) topics: Vec<&'a str>,
    /// The functions that count the event, each with the seconds for which queues hold it up on the way.
    pub(crate) counts: Vec<(&'a str, u64)>,
}

/// The way of a probe. `None` if no function counts its events.
pub(crate) fn way(stack: &Stack) -> Option<Way<'_>> {
    let counting = |function: &Function| roles::find(&function.role).is_some_and(|role| role.counts_probes);
    let counters: Vec<&Function> = stack.functions.values().filter(|function| counting(function)).collect();
    let next = |topic: &Name| takers(stack, topic).into_iter().filter(|(_, function, _)| counting(function));
    // A FIFO topic takes nothing without the id of a group, which no probe has.
    let topics = stack.topics.iter().filter(|(_, topic)| !topic.fifo).map(|(name, _)| name);
    let sends: Vec<&Name> = topics.filter(|topic| next(topic).next().is_some()).collect();
    // A topic to which a counting function publishes gets the event from that function.
    let is_fed = |topic: &Name| counters.iter().any(|function| function.uses.contains(topic));
    let first: Vec<&Name> = sends.iter().filter(|topic| !is_fed(topic)).copied().collect();
    let topics = if first.is_empty() { sends } else { first };

    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen: BTreeSet<&Name> = topics.iter().copied().collect();
    let mut open: VecDeque<(&Name, u64)> = topics.iter().map(|topic| (*topic, 0)).collect();
    while let Some((topic, held)) = open.pop_front() {
        for (name, function, delay) in next(topic) {
            // A function passes the event on to the functions that it calls, and all of them to their topics.
            let called = function.uses.iter().filter_map(|used| stack.functions.get_key_value(used));
            let called = called.filter(|(_, function)| counting(function));
            for (name, function) in std::iter::once((name, function)).chain(called) {
                counts.entry(&name.0).or_insert(held + delay);
                for topic in function.uses.iter().filter_map(|used| Some(stack.topics.get_key_value(used)?.0)) {
                    if seen.insert(topic) {
                        open.push_back((topic, held + delay));
                    }
                }
            }
        }
    }
    let reads = stack.functions.iter().filter(|(_, function)| function.http.is_some());
    let reads = reads.filter_map(|(name, function)| Some((name.0.as_str(), roles::find(&function.role)?.reads?)));
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, held)| (*held, *name));
    let topics: Vec<&str> = topics.iter().map(|topic| topic.0.as_str()).collect();
    (!counts.is_empty()).then(|| Way { reads: reads.collect(), topics, counts })
}

/// The functions that get the messages of a topic, each with the seconds for which its queue holds a message up.
fn takers<'a>(stack: &'a Stack, topic: &Name) -> Vec<(&'a Name, &'a Function, u64)> {
    let mut takers: Vec<_> = stack
        .functions
        .iter()
        .filter(|(_, function)| function.topic() == Some(topic))
        .map(|(name, function)| (name, function, 0))
        .collect();
    for (name, queue) in stack.queues.iter().filter(|(_, queue)| queue.from.contains(topic)) {
        takers.extend(stack.taker_of(name).map(|(taker, function)| (taker, function, queue.delay_seconds())));
    }
    takers
}

/// A name that no other probe has.
pub(crate) fn name() -> anyhow::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("drawing a random number: {error}"))?;
    Ok(format!("probe-{}", hex(&random)))
}

/// The attribute of a marked event, as the runtime knows it.
pub(crate) const ATTRIBUTE: &str = "Probe";
/// The event of the log line by which a function says that it has counted a marked event.
pub(crate) const SEEN: &str = "probe.seen";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::load::load;

    #[test]
    fn one_event_goes_all_the_way() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/msa-study.yaml");
        let loaded = load(&std::fs::read_to_string(file).expect("the stack"), "dev").expect("no problems");
        let way = way(&loaded.stack).expect("a way");
        assert_eq!(way.reads, [("factory", "/log"), ("shop", "/item")]);
        assert_eq!(way.topics, ["order-topic"]);
        assert_eq!(way.counts, [("factory", 0), ("order", 0), ("delivery", 5)]);
    }
}
