//! The shop of functions under load while each of its processes is killed. Nothing is oversold, nothing that was
//! acknowledged is lost, and nothing is credited twice.

#![allow(dead_code, reason = "shared by several tests")]
#![allow(clippy::print_stderr, reason = "how much was sold is for who runs it")]

#[path = "support/shop.rs"]
mod shop;
#[path = "support/laptop.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shop::{PATIENCE, Shop, is_sold, log, patiently};
use support::{said, send};

const BUYERS: u64 = 4;
const ITEMS: [&str; 3] = ["Item1", "Item2", "Item3"];
/// What the shop begins with.
const STOCK: [i64; 3] = [1, 2, 3];
/// Each of them is killed, in this order.
const VICTIMS: [&str; 10] =
    ["shop", "order", "factory", "delivery", "http-api", "messaging", "item", "log", "shop-outbox", "factory-outbox"];

/// A purchase that was answered.
struct Purchase {
    key: String,
    item: usize,
    quantity: i64,
    is_sold: bool,
}

/// Ends the load, also if the test fails. Otherwise the scope would wait for it for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_oversold_lost_or_credited_twice_while_each_process_is_killed() {
    let shop = Shop::in_a_hurry();
    let parts: BTreeSet<String> = shop.laptop.pids().into_iter().map(|(name, _)| name).collect();
    assert!(VICTIMS.iter().all(|victim| parts.contains(*victim)), "{parts:?}");
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let looked = AtomicU64::new(0);
    let purchases: Vec<Purchase> = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..BUYERS).map(|_| scope.spawn(|| buy(&shop, &next, &stop))).collect();
        scope.spawn(|| watch(&shop, &stop, &looked));
        let stopped = Stop(&stop);
        for victim in VICTIMS {
            // A part that was killed by the last turn may not run yet.
            patiently(victim, || shop.laptop.run(&["local", "kill", victim]).status.success().then_some(()));
            let before = next.load(Ordering::Relaxed);
            patiently("somebody to buy again", || (next.load(Ordering::Relaxed) >= before + 2 * BUYERS).then_some(()));
        }
        drop(stopped);
        buyers.into_iter().flat_map(|buyer| buyer.join().unwrap()).collect()
    });
    let sold = purchases.iter().filter(|purchase| purchase.is_sold).count();
    eprintln!("{} purchases were answered, {sold} of them sold something", purchases.len());
    assert!(sold > 10 && purchases.len() - sold > 10, "there was hardly any load: {sold} of {}", purchases.len());
    assert!(looked.load(Ordering::Relaxed) > 0, "nobody looked at the open orders");

    up(&shop);
    drained(&shop);
    balances(&shop, &purchases);
    orders_agree(&shop);
    all_are_kept(&shop, &purchases);

    // A client that never got its answer asks again, and nothing more is sold.
    for purchase in purchases.iter().step_by(1 + purchases.len() / 20) {
        let answer = shop.ask("POST", "/item", &[("idempotency-key", &purchase.key)], &body(purchase));
        assert!(answer.head.to_lowercase().contains("idempotency-replayed: true"), "{}", answer.head);
        assert_eq!(is_sold(&answer), purchase.is_sold, "{}: {}", purchase.key, answer.body);
    }
    drained(&shop);
    balances(&shop, &purchases);
}

/// Buys until it is told to stop. Each purchase has a key, and is repeated until it is answered.
fn buy(shop: &Shop, next: &AtomicU64, stop: &AtomicBool) -> Vec<Purchase> {
    let mut answered = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (item, quantity) = ((number % 3) as usize, (1 + number / 3 % 3) as i64);
        let mut purchase = Purchase { key: format!("load-{number}"), item, quantity, is_sold: false };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let headers = [("content-type", "application/json"), ("idempotency-key", purchase.key.as_str())];
            match send(&shop.host, "POST", "/item", &headers, &body(&purchase)) {
                Some(answer) if answer.status == 200 => {
                    purchase.is_sold = is_sold(&answer);
                    break;
                }
                Some(answer) if answer.status < 500 => panic!("{}: {} {}", purchase.key, answer.head, answer.body),
                _ => assert!(Instant::now() < deadline, "{} was never answered", purchase.key),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        answered.push(purchase);
        std::thread::sleep(Duration::from_millis(20));
    }
    answered
}

/// Looks all the time: an item has at most one open order, and no stock is below 0.
fn watch(shop: &Shop, stop: &AtomicBool, looked: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let twice =
            "SELECT item_id, COUNT(*) FROM orders WHERE delivered_at IS NULL GROUP BY item_id HAVING COUNT(*) > 1";
        if let Some(rows) = shop.rows("item", twice) {
            assert!(rows.is_empty(), "several orders of an item are open: {rows:?}");
            looked.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(rows) = shop.rows("item", "SELECT item_id FROM items WHERE quantity < 0") {
            assert!(rows.is_empty(), "oversold: {rows:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Runs `up`. It may find engines that still recover from a kill. Then it is run again.
fn up(shop: &Shop) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = shop.laptop.run(&["up", "--yes"]);
        if output.status.success() {
            return;
        }
        eprintln!("up again: {}", said(&output));
        assert!(Instant::now() < deadline, "it does not come up again");
    }
}

/// Waits until every event is done with. What went aside while its function was away goes back, as people would do it.
fn drained(shop: &Shop) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let queues = shop.queues();
        assert!(!queues.is_empty());
        let count = |queue: &Value, name: &str| queue[name].as_u64().unwrap();
        for queue in queues.iter().filter(|queue| count(queue, "dead_letters") > 0) {
            shop.laptop.done(&["redrive", queue["name"].as_str().unwrap(), "--yes"]);
        }
        let left = |queue: &Value| {
            ["visible", "in_flight", "delayed", "dead_letters"].iter().map(|name| count(queue, name)).sum::<u64>()
        };
        let open = "SELECT order_id FROM orders WHERE is_open = 1";
        let waiting = "SELECT id FROM effects";
        let is_empty = |database: &str, query: &str| shop.rows(database, query).is_some_and(|rows| rows.is_empty());
        let nothing_waits = is_empty("item", waiting) && is_empty("log", waiting) && is_empty("item", open);
        if queues.iter().map(left).sum::<u64>() == 0 && nothing_waits {
            return;
        }
        assert!(Instant::now() < deadline, "it is never done: {queues:?}, {:?}", shop.rows("item", open));
        // An outbox that nobody passes by waits for the schedule, or for the next request.
        shop.told("GET", "/item", "");
        shop.told("GET", "/log", "");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// What was there, and what was credited, and what was sold, is what is left.
fn balances(shop: &Shop, purchases: &[Purchase]) {
    let log = log(shop);
    for (item, name) in ITEMS.iter().enumerate() {
        let produced: i64 = log.iter().filter(|row| row["item_name"] == *name).map(quantity).sum();
        let bought = purchases.iter().filter(|purchase| purchase.item == item && purchase.is_sold);
        let sold: i64 = bought.map(|purchase| purchase.quantity).sum();
        let left = shop.stock(name);
        assert!(left >= 0 && sold <= STOCK[item] + produced, "{name} is oversold");
        assert_eq!(left, STOCK[item] + produced - sold, "{name}: {produced} produced, {sold} sold");
    }
}

/// Each order was logged once, with its quantity, and credited once. The next order of an item was opened after that.
fn orders_agree(shop: &Shop) {
    let all = |database: &str, query: &str| shop.rows(database, query).expect(query);
    let ordered = all("item", "SELECT order_id, item_id, quantity, requester FROM orders ORDER BY order_id");
    let logged = "SELECT order_id, item_id, quantity, requester FROM logs WHERE log_id > 1 ORDER BY order_id";
    assert!(ordered.len() > 3, "hardly anything was ordered: {ordered:?}");
    assert_eq!(ordered, all("log", logged));
    let credited = all("item", "SELECT event FROM inbox WHERE consumer = 'delivery' ORDER BY event");
    let ids: Vec<Vec<String>> = ordered.iter().map(|row| vec![row[0].clone()]).collect();
    assert_eq!(ids, credited);
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for row in all("item", "SELECT item_id, ordered_at, delivered_at FROM orders ORDER BY item_id, ordered_at") {
        let [item, opened, closed] = &row[..] else { panic!("{row:?}") };
        // The texts have one length, so they are in the order of time.
        assert!(last.get(item).is_none_or(|before| before <= opened), "two orders of {item} were open at {opened}");
        last.insert(item.clone(), closed.clone());
    }
}

/// Each purchase that was answered is in the database once, with its answer, and no other is.
fn all_are_kept(shop: &Shop, purchases: &[Purchase]) {
    let kept = shop.rows("item", "SELECT name, is_sold FROM purchases").expect("the purchases");
    let kept: BTreeMap<String, bool> = kept.into_iter().map(|row| (row[0].clone(), row[1] == "1")).collect();
    let answered: BTreeMap<String, bool> =
        purchases.iter().map(|purchase| (purchase.key.clone(), purchase.is_sold)).collect();
    assert_eq!(answered, kept);
}

fn quantity(row: &Value) -> i64 {
    row["quantity"].as_i64().unwrap()
}

fn body(purchase: &Purchase) -> String {
    let Purchase { key, item, quantity, .. } = purchase;
    json!({ "item_name": ITEMS[*item], "quantity": quantity, "requester": key }).to_string()
}
