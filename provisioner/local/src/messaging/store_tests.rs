//! The store against a model that is too simple to be wrong, with kills and compactions at any point between.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::messaging::config::{Attributes, Config};
use crate::messaging::declare;
use crate::messaging::queue::Depth;
use crate::messaging::record::{Definition, Subscribed};

const STANDARD: &str = "standard";
const DEAD: &str = "dead";
const FIFO: &str = "groups.fifo";
const QUEUES: [&str; 3] = [STANDARD, DEAD, FIFO];
/// A message of the standard queue is dead after so many receives. A message of any queue is forgotten after so many
/// seconds.
const LIMIT: u32 = 2;
const RETENTION: u64 = 60;
const MINUTES_5: u64 = 300_000;

#[derive(Clone, Debug)]
enum Step {
    Send {
        queue: usize,
        count: u8,
        group: u8,
        delay: u8,
    },
    Receive {
        queue: usize,
        most: usize,
        visibility: u8,
    },
    Delete {
        held: usize,
    },
    Hide {
        held: usize,
        seconds: u8,
    },
    Purge {
        queue: usize,
    },
    Pass {
        milliseconds: u64,
    },
    Kill,
    /// The process is killed while it writes. Part of a line is there, and nobody was told of it.
    Tear {
        keep: usize,
    },
    Compact,
}

#[derive(Clone, Debug)]
struct Letter {
    id: String,
    group: String,
    sent: u64,
    visible: u64,
    receives: u32,
}

#[derive(Default)]
struct Model {
    queues: BTreeMap<&'static str, Vec<Letter>>,
    /// The ids that the FIFO queue has taken, and when.
    seen: BTreeMap<String, (u64, String)>,
}

impl Model {
    fn expire(&mut self, now: u64) {
        for letters in self.queues.values_mut() {
            letters.retain(|letter| letter.sent + RETENTION * 1000 > now);
        }
    }

    fn receive(&mut self, queue: &'static str, most: usize, visibility: u64, now: u64) -> Vec<String> {
        let mut letters = self.queues.remove(queue).unwrap_or_default();
        let in_flight = |letter: &&Letter| letter.receives > 0 && letter.visible > now;
        let blocked: Vec<String> = letters.iter().filter(in_flight).map(|letter| letter.group.clone()).collect();
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for mut letter in letters.drain(..) {
            let is_blocked = queue == FIFO && blocked.contains(&letter.group);
            if taken.len() == most || letter.visible > now || is_blocked {
                kept.push(letter);
            } else if queue == STANDARD && letter.receives >= LIMIT {
                letter.receives = 0;
                letter.visible = now;
                self.queues.entry(DEAD).or_default().push(letter);
            } else {
                taken.push(letter.id.clone());
                letter.receives += 1;
                letter.visible = now + visibility * 1000;
                kept.push(letter);
            }
        }
        self.queues.insert(queue, kept);
        taken
    }

    fn depth(&self, queue: &str, now: u64) -> Depth {
        let mut depth = Depth::default();
        for letter in self.queues.get(queue).into_iter().flatten() {
            match (letter.visible > now, letter.receives > 0) {
                (false, _) => depth.visible += 1,
                (true, true) => depth.in_flight += 1,
                (true, false) => depth.delayed += 1,
            }
        }
        depth
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let queue = || 0..QUEUES.len();
    let step = prop_oneof![
        4 => (queue(), 1..5u8, 0..3u8, 0..3u8)
            .prop_map(|(queue, count, group, delay)| Step::Send { queue, count, group, delay }),
        5 => (queue(), 1..5usize, 0..4u8)
            .prop_map(|(queue, most, visibility)| Step::Receive { queue, most, visibility }),
        3 => (0..50usize).prop_map(|held| Step::Delete { held }),
        2 => (0..50usize, 0..4u8).prop_map(|(held, seconds)| Step::Hide { held, seconds }),
        1 => queue().prop_map(|queue| Step::Purge { queue }),
        3 => prop_oneof![4 => 0..3000u64, 1 => 10_000..400_000u64].prop_map(|milliseconds| Step::Pass { milliseconds }),
        2 => Just(Step::Kill),
        1 => (1..200usize).prop_map(|keep| Step::Tear { keep }),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..80)
}

fn config() -> Config {
    let mut config = Config::default();
    let attributes = |more: &[(&str, &str)]| -> Attributes {
        let mut all = Attributes::from([("MessageRetentionPeriod".to_owned(), RETENTION.to_string())]);
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    };
    let redrive = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":2}";
    config.queues.insert(STANDARD.to_owned(), attributes(&[("RedrivePolicy", redrive)]));
    config.queues.insert(DEAD.to_owned(), attributes(&[]));
    config.queues.insert(FIFO.to_owned(), attributes(&[("FifoQueue", "true")]));
    config
}

fn place() -> Place {
    let config = Config::default();
    Place { account: config.account, region: config.region }
}

fn records(store: &Store, now: u64) -> Vec<Record> {
    store.state.snapshot(&store.place, now).collect()
}

/// Opens the store. Another test of this process may be starting a program, which holds a copy of the lock until it is
/// loaded.
fn open(directory: &Path) -> Store {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Store::open(directory, place()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.expect("the log is readable"),
        }
    }
}

/// Opens the store again without closing it: data that is not in the file by now is lost.
fn reopen(store: Store, directory: &Path, now: u64) -> Store {
    let before = records(&store, now);
    drop(store);
    let store = open(directory);
    assert_eq!(records(&store, now), before, "what was read back is not what was");
    store
}

fn run(steps: Vec<Step>) {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut now = 1_000_000_000;
    let mut store = Store::open(directory, place()).expect("a store");
    let declared = declare::difference(&store, &config(), now).expect("a configuration without problems");
    store.commit(declared, now).expect("room");
    let mut model = Model::default();
    let mut held: Vec<(&'static str, Handle, String)> = Vec::new();
    let mut count = 0;

    for step in steps {
        match step {
            Step::Send { queue, count: messages, group, delay } => {
                let queue = QUEUES[queue];
                let fifo = queue == FIFO;
                let mut drafts = Vec::new();
                for _ in 0..messages {
                    count += 1;
                    drafts.push(Draft {
                        body: format!("body {count}\n\"한\""),
                        group: fifo.then(|| format!("g{group}")),
                        deduplication: fifo.then(|| format!("d{}", count % 7)),
                        delay: (!fifo).then_some(u64::from(delay)),
                        ..Draft::default()
                    });
                }
                let sent = store.send(queue, drafts.clone(), now).expect("sent");
                for (draft, sent) in drafts.iter().zip(sent) {
                    if let Some(deduplication) = &draft.deduplication {
                        match model.seen.get(deduplication) {
                            Some((at, id)) if at + MINUTES_5 > now => {
                                assert_eq!(&sent.id, id, "taken twice");
                                continue;
                            }
                            _ => model.seen.insert(deduplication.clone(), (now, sent.id.clone())),
                        };
                    }
                    let group = draft.group.clone().unwrap_or_default();
                    let visible = now + draft.delay.unwrap_or(0) * 1000;
                    let letter = Letter { id: sent.id, group, sent: now, visible, receives: 0 };
                    model.queues.entry(queue).or_default().push(letter);
                }
            }
            Step::Receive { queue, most, visibility } => {
                let queue = QUEUES[queue];
                let received = store.receive(queue, most, Some(u64::from(visibility)), now).expect("received");
                let ids: Vec<String> = received.messages.iter().map(|message| message.id.clone()).collect();
                assert_eq!(ids, model.receive(queue, most, u64::from(visibility), now));
                for message in received.messages {
                    let handle = Handle { queue: queue.to_owned(), order: message.order, receive: message.receives };
                    held.push((queue, handle, message.id));
                }
            }
            Step::Delete { held: at } => {
                let Some((queue, handle, id)) = held.get(at % held.len().max(1)).cloned() else {
                    continue;
                };
                let answers = store.delete(queue, std::slice::from_ref(&handle), now).expect("deleted");
                let letters = model.queues.entry(queue).or_default();
                let refused = |letter: &Letter| {
                    letter.id == id && queue == FIFO && (letter.receives != handle.receive || letter.visible <= now)
                };
                assert_eq!(answers[0].is_err(), letters.iter().any(refused));
                if answers[0].is_ok() {
                    letters.retain(|letter| letter.id != id);
                }
            }
            Step::Hide { held: at, seconds } => {
                let Some((queue, handle, id)) = held.get(at % held.len().max(1)).cloned() else {
                    continue;
                };
                let answer = store.hide(queue, &handle, u64::from(seconds), now);
                let letters = model.queues.entry(queue).or_default();
                match letters.iter_mut().find(|letter| letter.id == id) {
                    Some(letter) if letter.visible > now => {
                        answer.expect("it is in flight");
                        letter.visible = now + u64::from(seconds) * 1000;
                    }
                    // It is too late, and a standard queue does not report that.
                    Some(_) if queue != FIFO => answer.expect("nothing is said"),
                    _ => assert!(answer.is_err(), "nothing is in flight"),
                }
            }
            Step::Purge { queue } => {
                store.purge(QUEUES[queue], now).expect("purged");
                model.queues.remove(QUEUES[queue]);
            }
            Step::Pass { milliseconds } => now += milliseconds,
            Step::Kill => store = reopen(store, directory, now),
            Step::Tear { keep } => {
                let line = serde_json::to_vec(&[Record::QueueGone { name: STANDARD.to_owned() }]).expect("a line");
                let mut file =
                    std::fs::File::options().append(true).open(directory.join("messages.log")).expect("a log");
                file.write_all(&line[..keep.min(line.len())]).expect("room");
                store = reopen(store, directory, now);
            }
            Step::Compact => {
                let before = records(&store, now);
                store.compact(now).expect("compacted");
                store = reopen(store, directory, now);
                assert_eq!(records(&store, now), before);
            }
        }
        model.expire(now);
        for queue in QUEUES {
            assert_eq!(store.queue(queue, now).expect("a queue").depth(), model.depth(queue, now), "{queue}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        run(steps);
    }
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let _first = Store::open(directory.path(), place()).expect("a store");
    let error = Store::open(directory.path(), place()).err().expect("it is refused");
    assert!(error.to_string().contains("another process"), "{error}");
}

/// A task may still hold the store of a service that has stopped.
#[test]
fn a_closed_store_gives_its_directory_free_and_writes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut first = open(directory.path());
    let declared = declare::difference(&first, &config(), 1).expect("no problems");
    first.close();
    let second = Store::open(directory.path(), place()).expect("the directory is free");
    assert!(first.commit(declared, 1).is_err(), "the store is closed");
    let log = std::fs::read(directory.path().join("messages.log")).expect("a log");
    assert!(log.is_empty() && second.state.queues.is_empty(), "{}", String::from_utf8_lossy(&log));
}

/// A disk damages a line; a kill cannot. The rest is served, and the damaged log is kept aside.
#[test]
fn a_damaged_line_costs_itself_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let declared = declare::difference(&store, &config(), 1).expect("no problems");
    store.commit(declared, 1).expect("room");
    let draft = |body: &str| Draft { body: body.to_owned(), ..Draft::default() };
    for body in ["first", "second", "third"] {
        store.send(STANDARD, vec![draft(body)], 1).expect("sent");
    }
    drop(store);
    let path = directory.path().join("messages.log");
    let log = std::fs::read_to_string(&path).expect("a log");
    std::fs::write(&path, log.replace("second", "sec\"ond")).expect("room");
    let mut store = open(directory.path());
    let received = store.receive(STANDARD, 10, None, 1).expect("received").messages;
    let bodies: Vec<&str> = received.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["first", "third"]);
    assert!(directory.path().join("messages.damaged").exists());
}

/// Otherwise the log of a queue that is always nearly empty would grow for ever.
#[test]
fn the_log_stays_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let declared = declare::difference(&store, &config(), 1).expect("no problems");
    store.commit(declared, 1).expect("room");
    let mut largest = 0;
    for _ in 0..100 {
        store.send(STANDARD, vec![Draft { body: "x".repeat(300_000), ..Draft::default() }], 1).expect("sent");
        store.purge(STANDARD, 1).expect("purged");
        let log = std::fs::metadata(directory.path().join("messages.log")).expect("a log");
        largest = largest.max(log.len());
    }
    assert!(largest < 10_000_000, "{largest} bytes");
}

/// An older version of the program wrote this store. It used `us-east-1` and no account, whatever the stack file said.
#[test]
fn a_store_of_the_old_names_keeps_everything_under_the_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let config = |region: &str, account: &str| {
        let dead = format!("arn:aws:sqs:{region}:{account}:work-dead");
        let redrive = format!("{{\"deadLetterTargetArn\":\"{dead}\",\"maxReceiveCount\":1}}");
        let of = |all: &[(&str, &str)]| -> Attributes {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let fifo = of(&[("FifoQueue", "true")]);
        let main = of(&[("RedrivePolicy", &redrive)]);
        let queues = [("work", main), ("work-dead", Attributes::new()), ("order.fifo", fifo)];
        Config {
            region: region.into(),
            account: account.into(),
            queues: queues.map(|(name, attributes)| (name.to_owned(), attributes)).into(),
            topics: [("events".to_owned(), Attributes::new())].into(),
            subscriptions: vec![crate::messaging::Subscription {
                topic: "events".into(),
                queue: "work".into(),
                attributes: Attributes::new(),
            }],
            functions: Vec::new(),
        }
    };
    let open = |config: &Config| {
        let place = Place { account: config.account.clone(), region: config.region.clone() };
        let mut store = Store::open(directory.path(), place).unwrap();
        let records = declare::difference(&store, config, 1_000).unwrap();
        store.commit(records, 1_000).unwrap();
        store
    };
    let old = config("us-east-1", "000000000000");
    let mut store = open(&old);
    // An SDK made a queue, and two subscriptions. One of them is of the topic and queue that are declared later.
    let redrive = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:work-dead\",\"maxReceiveCount\":3}";
    let attributes = Attributes::from([("RedrivePolicy".to_owned(), redrive.to_owned())]);
    let definition = Definition { attributes, created: 1, modified: 1, ..Definition::default() };
    let subscription =
        |queue: &str| Subscribed { topic: "events".into(), queue: queue.into(), ..Subscribed::default() };
    let by_sdk = vec![
        Record::Queue { name: "mine".into(), definition },
        Record::Subscription {
            arn: "arn:aws:sns:us-east-1:000000000000:events:1-2-3".into(),
            subscription: subscription("mine"),
        },
        Record::Subscription {
            arn: "arn:aws:sns:us-east-1:000000000000:events:4-5-6".into(),
            subscription: subscription("order.fifo"),
        },
    ];
    store.commit(by_sdk, 1_000).unwrap();
    let text = |body: &str| Draft { body: body.into(), ..Draft::default() };
    store.send("work", vec![text("dead"), text("waits")], 1_000).unwrap();
    let once = Draft { group: Some("g".into()), deduplication: Some("once".into()), ..text("ordered") };
    store.send("order.fifo", vec![once.clone()], 1_000).unwrap();
    // One of the two messages is received, and becomes a dead letter the next time.
    store.receive("work", 1, Some(0), 1_000).unwrap();
    let again = store.receive("work", 1, Some(0), 1_001).unwrap();
    assert_eq!(again.messages.len() + store.queue("work-dead", 1_001).unwrap().messages().count(), 2);
    let count = |store: &mut Store, name: &str| store.queue(name, 2_000).unwrap().messages().count();
    let before = ["work", "work-dead", "order.fifo"].map(|name| count(&mut store, name));
    drop(store);

    let new = config("ap-northeast-2", "123456789012");
    let mut store = open(&new);
    assert_eq!(["work", "work-dead", "order.fifo"].map(|name| count(&mut store, name)), before);
    store.send("order.fifo", vec![once], 2_000).unwrap();
    assert_eq!(count(&mut store, "order.fifo"), 1, "it was sent before");
    let place = "ap-northeast-2:123456789012:";
    let subscriptions: Vec<&String> = store.state.subscriptions.keys().collect();
    assert_eq!(subscriptions.len(), 3, "{subscriptions:?}");
    assert!(
        subscriptions.iter().all(|arn| arn.starts_with(&format!("arn:aws:sns:{place}events:"))),
        "{subscriptions:?}"
    );
    assert!(subscriptions.iter().any(|arn| arn.ends_with(":events:1-2-3")), "{subscriptions:?}");
    for name in ["mine", "work"] {
        let policy = &store.state.queues[name].definition.attributes["RedrivePolicy"];
        assert!(policy.contains(&format!("arn:aws:sqs:{place}work-dead")), "{policy}");
    }
    // The second time there is nothing to do. A subscription that an SDK made, and the stack file asks for now, is
    // taken over.
    assert_eq!(declare::difference(&store, &new, 3_000), Ok(Vec::new()));
    let mut more = new.clone();
    more.queues.insert("mine".into(), Attributes::new());
    more.subscriptions.push(crate::messaging::Subscription {
        topic: "events".into(),
        queue: "mine".into(),
        attributes: Attributes::new(),
    });
    let records = declare::difference(&store, &more, 3_000).unwrap();
    store.commit(records, 3_000).unwrap();
    assert_eq!(store.state.subscriptions.len(), 3);
    assert!(store.state.subscriptions[&format!("arn:aws:sns:{place}events:1-2-3")].subscribed.declared);
}
