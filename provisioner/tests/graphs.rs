//! The engine on random graphs. Dependencies come first, and the longest path comes first. A second plan is empty.
//! Resources can be taken away in any order, and nothing is left.

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};
use provision::kinds::sqs::{DeadLetter, Queue, QueueSpec};
use provision::plan::desired::{Desired, seconds_to_end};
use support::Bench;

/// The shape of a graph. A queue may use any earlier one as its dead-letter queue, and any topics as its senders. Each
/// sender gets a subscription.
#[derive(Clone, Debug)]
struct Shape {
    topics: usize,
    queues: Vec<(Option<prop::sample::Index>, BTreeSet<usize>)>,
}

fn shapes(most: usize) -> impl Strategy<Value = Shape> {
    let queue = (any::<Option<prop::sample::Index>>(), prop::collection::btree_set(0..3usize, 0..3));
    (1..4usize, prop::collection::vec(queue, 1..most)).prop_map(|(topics, queues)| Shape { topics, queues })
}

fn desired(shape: &Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    // Users come before the things that they use: the order of a file says nothing.
    for (index, (dead, from)) in shape.queues.iter().enumerate().rev() {
        let senders: Vec<usize> = from.iter().copied().filter(|topic| *topic < shape.topics).collect();
        for topic in &senders {
            let endpoint = Endpoint::Queue(Ref::to(format!("q{index}")));
            let spec = SubscriptionSpec {
                topic: Ref::to(format!("t{topic}")),
                endpoint,
                raw: false,
                filter: None,
                failed: None,
            };
            desired.add::<Subscription>("queues", format!("t{topic}-to-q{index}"), spec);
        }
        let dead = dead.filter(|_| index > 0).map(|earlier| format!("q{}", earlier.index(index)));
        let spec = QueueSpec {
            fifo: false,
            visibility_timeout: 30,
            retention: 345_600,
            delay: 0,
            dead_letter: dead.map(|dead| DeadLetter { queue: Ref::to(dead), after: 3 }),
            from: senders.iter().map(|topic| Ref::to(format!("t{topic}"))).collect(),
            rules: Vec::new(),
        };
        desired.add::<Queue>("queues", format!("q{index}"), spec);
    }
    for topic in 0..shape.topics {
        desired.add::<Topic>("topics", format!("t{topic}"), TopicSpec { fifo: false, kms_key: None });
    }
    desired
}

proptest! {
    #[test]
    fn dependencies_come_first_and_have_the_longer_path_behind_them(shape in shapes(40)) {
        let desired = desired(&shape);
        let (edges, seconds) = (desired.edges(), seconds_to_end(&desired));
        let mut seen = BTreeSet::new();
        for wanted in desired.in_order() {
            for target in &edges[&wanted.address] {
                prop_assert!(seen.contains(*target), "{} before {}", target, wanted.address);
                prop_assert!(seconds[target] > seconds[&wanted.address]);
            }
            prop_assert!(seen.insert(wanted.address.clone()), "{} twice", wanted.address);
        }
        prop_assert_eq!(seen.len(), desired.resources().len());
    }
}

/// Goes from one random graph to the next, on an emulator. Each settles, and at the end nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn from_graph_to_graph() {
    let bench = Bench::moto().await;
    let mut runner = TestRunner::deterministic();
    let mut last = None;
    for _ in 0..6 {
        let shape = shapes(8).new_tree(&mut runner).expect("a shape").current();
        bench.settle(&desired(&shape)).await;
        last = Some(shape);
    }
    bench.remove(&desired(&last.expect("there were some"))).await;
    let order: Vec<_> = bench.gateway.refusals().into_iter().filter(|refusal| refusal.rule != "state").collect();
    assert!(order.is_empty(), "{order:?}");
    bench.gateway.stop().await;
}
