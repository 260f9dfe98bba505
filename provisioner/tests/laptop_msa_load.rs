//! The shop of functions under load while each of its processes is killed, and under hostile input. Nothing is oversold,
//! nothing that was acknowledged is lost, and nothing is credited twice.

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
use shop::Shop;
use support::{Answer, said, send};

const BUYERS: u64 = 4;
const ITEMS: [&str; 3] = ["Item1", "Item2", "Item3"];
/// What the shop begins with.
const STOCK: [i64; 3] = [1, 2, 3];
/// Each of them is killed, in this order.
const VICTIMS: [&str; 10] =
    ["shop", "order", "factory", "delivery", "http-api", "messaging", "item", "log", "shop-outbox", "factory-outbox"];
/// The patience with one request, and with the queues. After that the test fails.
const PATIENCE: Duration = Duration::from_secs(240);

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

/// Waits for something. Nothing here is measured, so the wait is long.
fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything that was produced since the shop opened.
fn log(shop: &Shop) -> Vec<Value> {
    let all = shop.ask("GET", "/log?after=1", &[], "").json();
    all.as_array().unwrap().clone()
}

fn quantity(row: &Value) -> i64 {
    row["quantity"].as_i64().unwrap()
}

fn body(purchase: &Purchase) -> String {
    let Purchase { key, item, quantity, .. } = purchase;
    json!({ "item_name": ITEMS[*item], "quantity": quantity, "requester": key }).to_string()
}

fn is_sold(answer: &Answer) -> bool {
    let is_sold = answer.body.contains("구매 완료");
    assert!(is_sold || answer.body.contains("구매 실패"), "{}", answer.body);
    is_sold
}

/// Names that a careless program would take for something else.
fn hostile_names() -> Vec<String> {
    let short = [
        "'",
        "''; DROP TABLE items; -- ",
        "\" OR \"1\"=\"1",
        "<script>alert(1)</script>",
        "\\",
        "\\'; --",
        "%_%",
        "${x}",
        "{{7*7}}",
        "홍길동 🦀👩‍👩‍👧",
        "\u{202e}gnihsif",
        "../../etc/passwd",
        "NULL",
        "0",
    ];
    short.iter().map(|name| (*name).to_owned()).chain(["부".repeat(255)]).collect()
}

#[test]
fn hostile_names_numbers_and_messages_change_nothing() {
    let shop = Shop::open();
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = shop.ask(method, path, headers, body);
        assert!(answer.status < 500, "{method} {path} {body}: {} {}", answer.head, answer.body);
        answer
    };

    // A hostile requester is a name like any other. It comes through order, factory and log as it was sent.
    let admin = shop.key();
    for name in hostile_names() {
        let set = ask("PUT", "/item/3", &[("x-api-key", &admin)], r#"{"quantity":3}"#);
        assert_eq!(set.status, 200, "{}", set.body);
        let order = json!({ "item_name": "Item3", "quantity": 4, "requester": name }).to_string();
        let answer = ask("POST", "/item", &[], &order);
        assert!(answer.status == 200 && !is_sold(&answer), "{name}: {}", answer.body);
        patiently(&format!("the delivery for {name}"), || (shop.stock("Item3") == 7).then_some(()));
        let row = log(&shop).pop().unwrap();
        assert_eq!((&row["requester"], &row["quantity"]), (&json!(name), &json!(4)));
    }
    let before = (ask("GET", "/item", &[], "").body, ask("GET", "/log", &[], "").body);

    // What is no item is no item, and what is no purchase is no purchase.
    let item = |name: Value, quantity: Value, requester: Value| {
        json!({ "item_name": name, "quantity": quantity, "requester": requester }).to_string()
    };
    let mut refused: Vec<String> = hostile_names().iter().map(|name| item(json!(name), json!(1), json!("a"))).collect();
    for name in ["Item3\0", "\0", "Item3 ", "item3", "Item3\n", "\u{1b}[2J"] {
        refused.push(item(json!(name), json!(1), json!("a")));
    }
    for name in [json!(3), json!(null), json!(["Item3"]), json!({ "a": 1 }), json!("x".repeat(100_000))] {
        refused.push(item(name, json!(1), json!("a")));
    }
    for quantity in
        [json!(0), json!(-1), json!(1.5), json!("1"), json!(i64::MIN), json!(u64::MAX), json!(null), json!([1])]
    {
        refused.push(item(json!("Item3"), quantity, json!("a")));
    }
    for requester in
        [json!("a\0b"), json!("\n"), json!("\u{1b}]0;x\u{7}"), json!("x".repeat(256)), json!(7), json!(["a"])]
    {
        refused.push(item(json!("Item3"), json!(1), requester));
    }
    refused.extend(["", "null", "[]", "\"\"", "{", "{\"item_name\":\"Item3\",\"quantity\":1e999}"].map(str::to_owned));
    refused.push("[".repeat(100_000));
    refused.push(format!(r#"{{"item_name":"Item3","quantity":{}}}"#, "9".repeat(5_000)));
    for body in &refused {
        let answer = ask("POST", "/item", &[], body);
        assert_eq!(answer.status, 400, "{}: {}", body.chars().take(200).collect::<String>(), answer.body);
    }
    // The factory takes orders from anybody, as long as they are orders.
    let production = json!({
        "requester": "a", "quantity": 1, "item_id": 3, "item_name": "Item3", "factory_id": 1, "factory_name": "Factory1",
    });
    let wrong = |name: &str, values: &[Value]| -> Vec<String> {
        let with = |value: &Value| {
            let mut production = production.clone();
            production[name] = value.clone();
            production.to_string()
        };
        values.iter().map(with).collect()
    };
    let names = [json!("a\0b"), json!("\n"), json!(""), json!("x".repeat(256)), json!(7), json!(null), json!(["a"])];
    let numbers =
        [json!(0), json!(-1), json!(1.5), json!("1"), json!(i64::MIN), json!(u64::MAX), json!(null), json!([1])];
    let fields = [("requester", &names[..]), ("item_name", &names), ("factory_name", &names)];
    let fields = [&fields[..], &[("quantity", &numbers), ("item_id", &numbers), ("factory_id", &numbers)]].concat();
    for body in fields.into_iter().flat_map(|(name, values)| wrong(name, values)) {
        assert_eq!(ask("POST", "/log", &[], &body).status, 400, "{body}");
    }
    let long = "x".repeat(256);
    for key in ["a b", "", long.as_str()] {
        let one = item(json!("Item3"), json!(1), json!("a"));
        assert_eq!(ask("POST", "/item", &[("idempotency-key", key)], &one).status, 400, "{key}");
    }
    for path in ["/item/1%27%20OR%201=1", "/item/-1", "/item/99999999999999999999", "/item/%00", "/item/%F0%9F%A6%80"] {
        assert_eq!(ask("PUT", path, &[("x-api-key", &admin)], r#"{"quantity":9}"#).status, 400, "{path}");
        assert_eq!(ask("PUT", path, &[("x-api-key", "' OR ''='")], r#"{"quantity":9}"#).status, 401, "{path}");
    }
    for path in ["/item?after=%27", "/item?limit=-1", "/log?after=99999999999999999999", "/log?limit=%00"] {
        assert_eq!(ask("GET", path, &[], "").status, 400, "{path}");
    }
    assert_eq!((ask("GET", "/item", &[], "").body, ask("GET", "/log", &[], "").body), before);
}

#[test]
fn a_message_that_comes_again_counts_once_and_one_that_is_none_goes_aside() {
    let shop = Shop::in_a_hurry();
    assert!(shop.buy("Item2", "5").contains("구매 실패"));
    patiently("the delivery", || (shop.stock("Item2") == 7).then_some(()));
    let order = shop.rows("item", "SELECT order_id FROM orders").unwrap()[0][0].clone();
    let attributes = |id: &str, count: &str| {
        json!({
            "MessageAttributeItemId": { "Type": "Number", "Value": "2" },
            "MessageAttributeItemName": { "Type": "String", "Value": "Item2" },
            "MessageAttributeFactoryId": { "Type": "Number", "Value": "2" },
            "MessageAttributeFactoryName": { "Type": "String", "Value": "Factory2" },
            "MessageAttributeItemCnt": { "Type": "Number", "Value": count },
            "MessageAttributeRequester": { "Type": "String", "Value": "jeonghun" },
            "MessageAttributeOrderId": { "Type": "String", "Value": id },
        })
    };
    let envelope = |message_id: &str, attributes: Value| {
        json!({
            "Type": "Notification", "MessageId": message_id, "Message": "for people",
            "TopicArn": "arn:aws:sns:ap-northeast-2:000000000000:a-topic", "MessageAttributes": attributes,
        })
        .to_string()
    };
    let queue = |name: &str| shop.queues().into_iter().find(|queue| queue["name"] == name).unwrap();
    let is_done = |name: &str| {
        let queue = queue(name);
        ["visible", "in_flight", "delayed"].iter().all(|count| queue[*count] == 0)
    };

    // The same order and the same delivery, again and again: in the same envelope, and in another one.
    for again in 0..6 {
        let id = format!("m-{}", again / 2);
        shop.put("order-queue", &envelope(&id, attributes(&order, "5")));
        shop.put("delivery-queue", &envelope(&id, attributes(&order, "5")));
    }
    patiently("the queues to be empty", || (is_done("order-queue") && is_done("delivery-queue")).then_some(()));
    assert_eq!((shop.stock("Item2"), log(&shop).len()), (7, 1));

    // A delivery that nobody has ordered comes six times at once, and is credited once.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| shop.put("delivery-queue", &envelope("m-9", attributes("by-hand", "10"))));
        }
    });
    patiently("the delivery", || (shop.stock("Item2") == 17).then_some(()));
    patiently("the queue to be empty", || is_done("delivery-queue").then_some(()));
    assert_eq!(shop.stock("Item2"), 17);
    assert_eq!([&queue("order-queue")["dead_letters"], &queue("delivery-queue")["dead_letters"]], [&json!(0); 2]);

    // What is no order and no delivery goes aside after its five receives, and changes nothing.
    let with = |name: &str, value: Value| {
        let mut all = attributes("hostile", "1");
        all[name] = value;
        envelope("m-10", all)
    };
    let text = |value: &str| json!({ "Type": "String", "Value": value });
    let mut hostile = vec![
        "poison".to_owned(),
        "[".repeat(100_000),
        json!({ "Type": "SubscriptionConfirmation", "Message": "x", "SubscribeURL": "http://127.0.0.1/" }).to_string(),
        json!({ "Type": "Notification", "Message": { "a": 1 }, "MessageAttributes": attributes("hostile", "1") })
            .to_string(),
        envelope("m-10", json!({})),
        envelope("m-10", json!(7)),
    ];
    for (name, value) in [
        ("MessageAttributeItemCnt", text("-5")),
        ("MessageAttributeItemCnt", text("99999999999999999999")),
        ("MessageAttributeItemCnt", text("1; DROP TABLE items")),
        ("MessageAttributeItemCnt", json!({ "Type": "Number", "Value": 5 })),
        ("MessageAttributeItemId", text("0")),
        ("MessageAttributeItemId", text("2147483648")),
        ("MessageAttributeOrderId", text("")),
        ("MessageAttributeOrderId", text("a\0b")),
        ("MessageAttributeOrderId", text(&"x".repeat(256))),
    ] {
        hostile.push(with(name, value));
    }
    for body in &hostile {
        shop.put("order-queue", body);
        shop.put("delivery-queue", body);
    }
    // An item that there is not is known only to the stock.
    shop.put("delivery-queue", &with("MessageAttributeItemId", text("77")));
    for (name, count) in [("order-queue", hostile.len()), ("delivery-queue", hostile.len() + 1)] {
        let what = format!("{count} messages of {name} to be aside");
        patiently(&what, || (is_done(name) && queue(name)["dead_letters"] == count).then_some(()));
    }
    assert_eq!((shop.stock("Item2"), log(&shop).len()), (17, 1));
    // The functions are well: the next order is delivered.
    assert!(shop.buy("Item1", "2").contains("구매 실패"));
    patiently("the delivery", || (shop.stock("Item1") == 3).then_some(()));
}
