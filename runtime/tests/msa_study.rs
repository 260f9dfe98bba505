//! The shop over real connections: the roles as functions on MariaDB, topics and queues. This test plays Lambda.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::engines::sql;
use support::lambda::{Source, TRACE, ask, call, queue_event};
use support::msa_study::{ADMIN_KEY, MsaStudy};
use support::sendy::eventually;
use support::until;

const NO_OPEN_ORDER: &str = "SELECT COUNT(*) FROM item.orders WHERE is_open = 1";

/// S4-1 to S4-5 and S4-11: the contract, to the byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_buy_and_what_is_missing_is_produced() {
    let study = MsaStudy::new().await;
    let items = ask(&study.shop, "GET", "/item", &[], "");
    assert_eq!(
        (items.status, items.body.as_str()),
        (
            200,
            "[{\"item_id\":1,\"name\":\"Item1\",\"price\":10000,\"quantity\":1,\"factory_id\":1},\
              {\"item_id\":2,\"name\":\"Item2\",\"price\":20000,\"quantity\":2,\"factory_id\":2},\
              {\"item_id\":3,\"name\":\"Item3\",\"price\":30000,\"quantity\":3,\"factory_id\":1}]"
        )
    );
    assert_eq!(items.header("content-type"), Some("application/json"));
    const SEED: &str = "{\"log_id\":1,\"factory_id\":1,\"factory_name\":\"Factory1\",\"item_id\":1,\"item_name\":\"Item1\",\
                        \"quantity\":5,\"requester\":\"jeonghun\",\"datetime\":\"2023-05-18T09:46:48.000Z\"}";
    let log = ask(&study.factory, "GET", "/log", &[], "");
    assert_eq!((log.status, log.body), (200, format!("[{SEED}]")));

    let sources = study.sources();
    let buy = |body: &str, expected: (u16, &str)| {
        let answer = ask(&study.shop, "POST", "/item", &[("content-type", "application/json")], body);
        assert_eq!((answer.status, answer.body.as_str()), expected, "{body}");
    };
    let five = "{\n      \"item_name\": \"Item2\",\n      \"quantity\": 5,\n      \"requester\": \"jeonghun\"\n    }";
    let short = (200, "{\"message\":\"구매 실패! 남은 재고: 2, 생산요청 진행중\"}");
    buy(five, short);
    until("the delivery", || (study.stock(2) == 7).then_some(()));
    let log = study.log();
    let mut row = log[1].clone();
    let datetime = row["datetime"].take();
    assert!(datetime.as_str().is_some_and(|time| time.len() == 24 && time.ends_with(".000Z")), "{datetime}");
    let expected = json!({
        "log_id": 2, "factory_id": 2, "factory_name": "Factory2", "item_id": 2, "item_name": "Item2", "quantity": 5,
        "requester": "jeonghun", "datetime": null,
    });
    assert_eq!((row, log.len()), (expected, 2));
    buy(five, (200, "{\"message\":\"구매 완료! 남은 재고: 2\"}"));
    buy(five, short);
    until("the second delivery", || (study.stock(2) == 7).then_some(()));

    buy("{\"item_name\":\"Item1\",\"quantity\":1}", (200, "{\"message\":\"구매 완료! 남은 재고: 0\"}"));
    buy("{\"item_name\":\"Nothing\",\"quantity\":1,\"requester\":\"x\"}", (400, "{\"message\":\"상품 없음\"}"));
    drop(sources);
    // Nothing is ordered for nobody: SNS would refuse the message.
    let refused = "{\"message\":\"The message attribute 'MessageAttributeRequester' must contain non-empty message \
                   attribute value for message attribute type 'String'.\"}";
    buy("{\"item_name\":\"Item1\",\"quantity\":1}", (400, refused));
    buy("{\"item_name\":\"Item1\",\"quantity\":1,\"requester\":\"\"}", (400, refused));
    for wrong in ["0", "-5", "\"abc\"", "\"5\"", "1.5", "10001", "99999999999999999999", "1e300", "null", "[1]"] {
        let body = format!("{{\"item_name\":\"Item3\",\"quantity\":{wrong},\"requester\":\"x\"}}");
        buy(&body, (400, "{\"message\":\"Invalid input\"}"));
    }
    for wrong in ["", "{", "[]", "\"x\"", "{\"quantity\":1,\"item_name\":\"Item3\",\"requester\":5}"] {
        buy(wrong, (400, "{\"message\":\"Invalid input\"}"));
    }
    assert_eq!((study.stock(1), study.stock(3), study.depth("order-queue")), (0, 3, 0));

    let set = |id: &str, key: Option<&str>, body: &str| {
        let headers: Vec<_> = key.map(|key| ("x-api-key", key)).into_iter().collect();
        let answer = ask(&study.shop, "PUT", &format!("/item/{id}"), &headers, body);
        (answer.status, answer.body)
    };
    let changed = |rows: u32| {
        format!(
            "{{\"message\":\"수량 변경 완료\",\"result\":{{\"fieldCount\":0,\"affectedRows\":1,\"insertId\":0,\"info\":\"Rows \
             matched: 1  Changed: {rows}  Warnings: 0\",\"serverStatus\":2,\"warningStatus\":0,\"changedRows\":{rows}}}}}"
        )
    };
    assert_eq!(set("1", Some(ADMIN_KEY), "{\"quantity\":9}"), (200, changed(1)));
    assert_eq!(set("1", Some(ADMIN_KEY), "{\"quantity\":9}"), (200, changed(0)));
    for (key, body) in [(None, "{\"quantity\":5}"), (Some("another"), "{\"quantity\":5}"), (Some(""), "")] {
        assert_eq!(set("1", key, body).0, 401);
    }
    let not_set = (400, "{\"message\":\"수량 셋팅 실패\"}".to_owned());
    for (id, body) in
        [("1", "{\"quantity\":-1}"), ("1", "{\"quantity\":1000001}"), ("9", "{\"quantity\":1}"), ("x", "{}")]
    {
        assert_eq!(set(id, Some(ADMIN_KEY), body), not_set, "{id} {body}");
    }
    assert_eq!(study.stock(1), 9);
    for (method, path) in [("GET", "/"), ("GET", "/items"), ("DELETE", "/item"), ("GET", "/item/1"), ("POST", "/log")] {
        let answer = ask(&study.shop, method, path, &[], "");
        assert_eq!((answer.status, answer.body.as_str()), (404, "{\"error\":\"Not Found\"}"), "{method} {path}");
    }
    let page = ask(&study.shop, "GET", "/item?after=1&limit=1", &[], "").json();
    assert_eq!((page.as_array().unwrap().len(), &page[0]["item_id"]), (1, &json!(2)));
    study.maria.run("DELETE FROM item.items").await;
    study.maria.run("DELETE FROM log.logs").await;
    let none = ask(&study.shop, "GET", "/item", &[], "");
    assert_eq!((none.status, none.body.as_str()), (400, "{\"message\":\"상품 없음\"}"));
    let none = ask(&study.factory, "GET", "/log", &[], "");
    assert_eq!((none.status, none.body.as_str()), (400, "{\"message\":\"기록 없음\"}"));
}

/// Names go through SQL, a topic, a queue, JSON and a log, and come out as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_are_names() {
    let study = MsaStudy::new().await;
    let hostile = [
        "'); DROP TABLE logs; -- ",
        "\\' OR 1=1 #",
        "<script>alert(1)</script>",
        "홍길동 🦀",
        "{\"a\":1}",
        "%s${x}%00",
        "\u{202e}gnp.exe",
        &"부".repeat(255),
    ];
    for name in ["Item2' OR '1'='1", "Item2 ", "item2", "%", "Item2\0", "", &"x".repeat(10_000)] {
        let body = json!({ "item_name": name, "quantity": 1, "requester": "x" }).to_string();
        let answer = ask(&study.shop, "POST", "/item", &[], &body);
        assert_eq!((answer.status, answer.body.as_str()), (400, "{\"message\":\"상품 없음\"}"), "{name:?}");
    }
    for name in ["a\0b", "a\nb", "\u{ffff}", &"x".repeat(256)] {
        let body = json!({ "item_name": "Item2", "quantity": 5, "requester": name }).to_string();
        assert_eq!(ask(&study.shop, "POST", "/item", &[], &body).status, 400, "{name:?}");
    }
    assert_eq!((study.stock(2), study.depth("order-queue")), (2, 0));
    // The names of an item and of a factory are whatever somebody has put into the database.
    let item = "도너츠'\\\u{7}\n<&> 🍩";
    study.maria.run(&format!("UPDATE item.items SET name = {} WHERE item_id = 2", sql(item))).await;
    study
        .maria
        .run(&format!("UPDATE item.factories SET name = {} WHERE factory_id = 2", sql(&"f\u{1}".repeat(60))))
        .await;
    let _sources = study.sources();
    let mut stock = 2;
    for (at, requester) in hostile.iter().enumerate() {
        let body = json!({ "item_name": item, "quantity": 100, "requester": requester }).to_string();
        let answer = ask(&study.shop, "POST", "/item", &[], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        if stock >= 100 {
            assert_eq!(answer.json()["message"], format!("구매 완료! 남은 재고: {}", stock - 100));
            study.set(2, 2);
        }
        stock = if stock >= 100 { 2 } else { 102 };
        until("the stock", || (study.stock(2) == stock).then_some(()));
        if stock == 102 {
            let row = study.log().pop().unwrap();
            assert_eq!((&row["requester"], at % 2), (&json!(requester), 0));
            // A queue does not take all of it.
            assert_eq!(row["item_name"], item.replace(['\u{7}', '\n'], "\u{fffd}"));
        }
    }
}

/// Nothing is oversold, and an item has one open order, whoever buys at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_buyers_get_what_there_is() {
    let study = MsaStudy::new().await;
    study.set(3, 60);
    let said: Mutex<BTreeMap<String, u32>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let answer = study.buy("Item3", 1);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    *said.lock().unwrap().entry(answer.json()["message"].as_str().unwrap().to_owned()).or_default() +=
                        1;
                }
            });
        }
    });
    let said = said.into_inner().unwrap();
    // Each buyer is told another rest.
    let mut expected: BTreeMap<String, u32> =
        (0..60).map(|left| (format!("구매 완료! 남은 재고: {left}"), 1)).collect();
    expected.insert("구매 실패! 남은 재고: 0, 생산요청 진행중".to_owned(), 60);
    assert_eq!(said, expected);
    assert_eq!((study.stock(3), study.depth("order-queue")), (0, 1));
    assert_eq!(study.maria.number("SELECT COUNT(*) FROM item.orders").await, 1);
    assert_eq!(study.maria.number("SELECT COUNT(*) FROM item.effects").await, 0);

    // People buy while deliveries come. What was sold and what is left are what there was and what was delivered.
    let _sources = study.sources();
    let sold = Mutex::new(0);
    thread::scope(|scope| {
        for quantity in [1, 2, 3, 4] {
            let (study, sold) = (&study, &sold);
            scope.spawn(move || {
                for _ in 0..15 {
                    let answer = study.buy("Item3", quantity);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    if answer.json()["message"].as_str().unwrap().starts_with("구매 완료!") {
                        *sold.lock().unwrap() += i64::from(quantity);
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            });
        }
    });
    eventually("every order to be delivered", async || study.maria.number(NO_OPEN_ORDER).await == 0).await;
    let ordered = study.maria.number("SELECT SUM(quantity) FROM item.orders").await;
    let logged = study.maria.number("SELECT SUM(quantity) FROM log.logs WHERE item_id = 3").await;
    assert_eq!((ordered, study.stock(3) + sold.into_inner().unwrap()), (logged, logged.try_into().unwrap()));
}

/// Whatever comes twice counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_and_replays_are_credited_once() {
    let study = MsaStudy::new().await;
    let body = json!({
        "requester": "jeonghun", "quantity": 5, "item_id": 2, "item_name": "Item2", "factory_id": 2,
        "factory_name": "Factory2",
    });
    let produce = |key: &str, body: &Value| {
        let headers = if key.is_empty() { vec![] } else { vec![("idempotency-key", key)] };
        ask(&study.factory, "POST", "/log", &headers, &body.to_string())
    };
    let answers: Mutex<Vec<_>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = produce("order-1", &body);
                answers.lock().unwrap().push((answer.status, answer.body));
            });
        }
    });
    let said = "{\"message\":\"상품 : Item2 \\n 수량 : 5, 데이터베이스 수량 증가 기록 요청중\"}";
    assert_eq!(answers.into_inner().unwrap(), vec![(200, said.to_owned()); 4]);
    assert_eq!(produce("order-1", &body).header("idempotency-replayed"), Some("true"));
    let other = json!({ "requester": "other", "quantity": 5, "item_id": 2, "item_name": "a", "factory_id": 2, "factory_name": "b" });
    assert_eq!(produce("order-1", &other).status, 422);
    assert_eq!(study.maria.number("SELECT COUNT(*) FROM log.logs").await, 2);
    eventually("the delivery to be published", async || study.depth("delivery-queue") == 1).await;
    for (field, wrong) in [
        ("quantity", json!(0)),
        ("quantity", json!(-5)),
        ("quantity", json!(100_001)),
        ("item_id", json!("2")),
        ("item_name", json!("")),
        ("requester", json!(null)),
        ("factory_name", json!("x".repeat(256))),
    ] {
        let mut odd = body.clone();
        odd[field] = wrong;
        assert_eq!(produce("", &odd).status, 400, "{odd}");
    }

    // The queue delivers the same message again, and the publisher publishes it again.
    let message = study.peek("delivery-queue").pop().unwrap();
    let envelope: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
    assert_eq!((&envelope["Type"], &envelope["Subject"]), (&json!("Notification"), &json!("수량 증가 요청")));
    for _ in 0..3 {
        let answer = study.delivery.invoke(&queue_event(&[message.clone(), message.clone()])).unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }
    let again = [
        ("MessageAttributeItemId", "Number", "2"),
        ("MessageAttributeItemCnt", "Number", "5"),
        ("MessageAttributeOrderId", "String", "order-1"),
    ];
    study.publish("delivery-topic", &again);
    let sources = study.sources();
    until("the queue to be empty", || (study.depth("delivery-queue") == 0).then_some(()));
    assert_eq!(study.stock(2), 7);

    // Without an id of ours it is another event each time, as in the system before, and a request without a key is
    // another request.
    study.publish("delivery-topic", &again[..2]);
    produce("", &body);
    until("both deliveries", || (study.stock(2) == 17).then_some(()));
    // An order that somebody else publishes is an order too, and its number is the one of a container that multiplies.
    drop(sources);
    let twice = study.order_with(&[("ORDER_FACTOR", "2")]);
    study.publish(
        "order-topic",
        &[
            ("MessageAttributeItemId", "Number", "1"),
            ("MessageAttributeItemName", "String", "Item1"),
            ("MessageAttributeFactoryId", "Number", "1"),
            ("MessageAttributeFactoryName", "String", "Factory1"),
            ("MessageAttributeItemCnt", "Number", "3"),
            ("MessageAttributeRequester", "String", "js"),
        ],
    );
    let order = study.peek("order-queue").pop().unwrap();
    for _ in 0..2 {
        assert_eq!(
            twice.invoke(&queue_event(std::slice::from_ref(&order))).unwrap(),
            json!({ "batchItemFailures": [] })
        );
    }
    let row = study.log().pop().unwrap();
    assert_eq!((&row["quantity"], &row["requester"], study.log().len()), (&json!(6), &json!("js"), 4));
}

/// A buyer that got no answer sends the request again, under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purchase_under_a_key_happens_once() {
    let study = MsaStudy::new().await;
    let buy = |key: &str, item: &str, quantity: u32| {
        let body = json!({ "item_name": item, "quantity": quantity, "requester": "x" }).to_string();
        let answer = ask(&study.shop, "POST", "/item", &[("idempotency-key", key)], &body);
        (answer.status, answer.body.clone(), answer.header("idempotency-replayed").is_some())
    };
    let answers: Mutex<Vec<_>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| answers.lock().unwrap().push(buy("once", "Item3", 2)));
        }
    });
    let mut answers = answers.into_inner().unwrap();
    answers.sort();
    let sold = "{\"message\":\"구매 완료! 남은 재고: 1\"}".to_owned();
    let expected = [false, true, true, true].map(|replayed| (200, sold.clone(), replayed));
    assert_eq!((answers, study.stock(3)), (expected.to_vec(), 1));
    assert_eq!(buy("once", "Item3", 1).0, 422);
    let short = "{\"message\":\"구매 실패! 남은 재고: 2, 생산요청 진행중\"}".to_owned();
    assert_eq!(buy("short", "Item2", 5), (200, short.clone(), false));
    assert_eq!(buy("other", "Item2", 6), (200, short.clone(), false));
    study.set(2, 100);
    assert_eq!(buy("short", "Item2", 5), (200, short, true));
    assert_eq!((study.stock(2), study.depth("order-queue")), (100, 1));
    assert_eq!(buy("nothing", "Nothing", 5).0, 400);
    // The keys are forgotten after a day.
    study.maria.run("UPDATE item.purchases SET created_at = created_at - INTERVAL 25 HOUR WHERE name = 'once'").await;
    // An order that no queue can have any more makes room for another.
    study.maria.run("UPDATE item.orders SET ordered_at = ordered_at - INTERVAL 31 DAY").await;
    study.shop_outbox.invoke(&json!({})).unwrap();
    assert_eq!(study.maria.number(NO_OPEN_ORDER).await, 0);
    assert_eq!(study.rows::<String>("SELECT name FROM item.purchases ORDER BY name").await, ["other", "short"]);
}

/// Every process of every function is killed again and again, while people buy and messages come twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let study = MsaStudy::new().await;
    let sources = study.forgetful_sources(Some(2));
    study.set(3, 20);
    let end = Instant::now() + Duration::from_secs(5);
    // What was sold for certain, and what may have been sold.
    let (sold, unknown) = (Mutex::new(0), Mutex::new(0));
    thread::scope(|scope| {
        for quantity in [1, 2, 3] {
            let (study, sold, unknown) = (&study, &sold, &unknown);
            scope.spawn(move || {
                while Instant::now() < end {
                    let answer = study.buy("Item3", quantity);
                    match answer.status {
                        200 if answer.body.contains("구매 완료!") => *sold.lock().unwrap() += u64::from(quantity),
                        200 => thread::sleep(Duration::from_millis(5)),
                        _ => *unknown.lock().unwrap() += u64::from(quantity),
                    }
                }
            });
        }
        let functions = [&study.shop, &study.order, &study.factory, &study.delivery, &study.shop_outbox];
        scope.spawn(move || {
            for function in functions.iter().cycle().take_while(|_| Instant::now() < end) {
                function.kill();
                thread::sleep(Duration::from_millis(60));
            }
        });
        let outboxes = [&study.shop_outbox, &study.factory_outbox];
        scope.spawn(move || {
            for outbox in outboxes.iter().cycle().take_while(|_| Instant::now() < end) {
                let _ = outbox.invoke(&json!({}));
                thread::sleep(Duration::from_millis(100));
            }
        });
    });
    eventually("every order to be delivered", async || {
        let _ = (study.shop_outbox.invoke(&json!({})), study.factory_outbox.invoke(&json!({})));
        for dead in ["order-queue-dead", "delivery-queue-dead"] {
            study.redrive(dead);
        }
        study.maria.number(NO_OPEN_ORDER).await == 0
    })
    .await;
    drop(sources);
    let orders = study.maria.number("SELECT COUNT(*) FROM item.orders").await;
    assert!(orders > 0);
    for count in ["SELECT COUNT(*) FROM item.inbox", "SELECT COUNT(*) FROM log.logs WHERE log_id > 1"] {
        assert_eq!(study.maria.number(count).await, orders, "{count}");
    }
    let produced = study.maria.number("SELECT SUM(quantity) FROM log.logs WHERE log_id > 1").await;
    let gone = 20 + produced - u64::try_from(study.stock(3)).unwrap();
    let (sold, unknown) = (sold.into_inner().unwrap(), unknown.into_inner().unwrap());
    assert!((sold..=sold + unknown).contains(&gone), "{gone} are gone, {sold} were sold and {unknown} perhaps");
}

/// S4-10: between the commit and the publication the process is killed, or the topic is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_published() {
    let mut study = MsaStudy::new().await;
    // A topic that takes the connection and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let stuck = study.shop_with(&endpoint, &[]);
    let buy = json!({ "item_name": "Item2", "quantity": 5, "requester": "jeonghun" }).to_string();
    let asked = {
        let (stuck, buy) = (Arc::clone(&stuck), buy.clone());
        thread::spawn(move || ask(&stuck, "POST", "/item", &[], &buy))
    };
    eventually("the commit", async || study.maria.number("SELECT COUNT(*) FROM item.effects").await == 1).await;
    stuck.kill();
    assert_eq!(asked.join().unwrap().status, 500);
    assert_eq!(study.depth("order-queue"), 0);
    // The relay of the process that was killed has the lock until the database notices.
    eventually("the outbox to be swept", async || {
        study.shop_outbox.invoke(&json!({ "source": "aws.events" })).is_ok() && study.depth("order-queue") == 1
    })
    .await;
    assert_eq!(study.maria.number("SELECT COUNT(*) FROM item.effects").await, 0);

    // The topic is deaf: a request waits at most 2 s for it, and the next request does not wait.
    study.maria.run("UPDATE item.orders SET is_open = NULL").await;
    let timed = |answer: (u16, &str), function| {
        let begun = Instant::now();
        let said = ask(function, "POST", "/item", &[], &buy);
        assert_eq!((said.status, said.body.as_str()), answer);
        begun.elapsed()
    };
    let short = (200, "{\"message\":\"구매 실패! 남은 재고: 2, 생산요청 진행중\"}");
    // The first event has the start of the process in its time.
    assert_eq!(ask(&stuck, "GET", "/nothing", &[], "").status, 404);
    let waited = timed(short, &stuck);
    assert!((Duration::from_millis(1900)..Duration::from_millis(3500)).contains(&waited), "{waited:?}");
    let waited = timed(short, &stuck);
    assert!(waited < Duration::from_millis(1500), "{waited:?}");
    // Another process publishes it, when it is asked for anything.
    assert_eq!(ask(&study.shop, "GET", "/item", &[], "").status, 200);
    assert_eq!(study.depth("order-queue"), 2);

    // The topics are away while the factory works, and a schedule that finds them away says so.
    study.stop_messages().await;
    let produce = json!({
        "requester": "x", "quantity": 5, "item_id": 3, "item_name": "Item3", "factory_id": 1, "factory_name": "Factory1",
    });
    assert_eq!(ask(&study.factory, "POST", "/log", &[("idempotency-key", "k")], &produce.to_string()).status, 200);
    assert!(study.factory_outbox.invoke(&json!({})).is_err());
    study.factory.kill();
    study.start_messages();
    let _sources = study.sources();
    assert_eq!(study.factory_outbox.invoke(&json!({})).unwrap(), Value::Null);
    until("the delivery", || (study.stock(3) == 8).then_some(()));
    until("the orders", || (study.stock(2) == 12).then_some(()));
    assert_eq!(study.log().len(), 4);
}

/// S4-8 and S4-9: what cannot be handled ends in the dead-letter queue, and comes back from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_delays_and_loses_nothing() {
    let mut study = MsaStudy::new().await;
    for queue in ["order-queue", "delivery-queue"] {
        let at_once = json!({ "QueueUrl": study.queue(queue), "Attributes": { "VisibilityTimeout": "0" } });
        call(study.messages, "SetQueueAttributes", &at_once).unwrap();
    }
    assert!(study.buy("Item2", 5).body.contains("구매 실패"));
    // The factory is away.
    *study.factory_serves.lock().unwrap() = false;
    let sources = study.sources();
    until("the order in the dead-letter queue", || (study.depth("order-queue-dead") == 1).then_some(()));
    assert_eq!(study.maria.number(NO_OPEN_ORDER).await, 1);
    *study.factory_serves.lock().unwrap() = true;
    drop(sources);
    assert_eq!(study.redrive("order-queue-dead"), 1);
    let order = Source::start(study.messages, &study.queue("order-queue"), &study.order, None);
    until("the delivery", || (study.depth("delivery-queue") == 1).then_some(()));
    drop(order);
    // The database is away. A message of a batch that nobody understands fails alone, before and after.
    study.publish("delivery-topic", &[("MessageAttributeItemId", "Number", "0")]);
    study.publish(
        "delivery-topic",
        &[("MessageAttributeItemId", "Number", "99"), ("MessageAttributeItemCnt", "Number", "5")],
    );
    study.maria.engine.kill();
    let no_database = (500, "{\"message\":\"데이터베이스 연결 오류\"}".to_owned());
    let answer = study.buy("Item2", 1);
    assert_eq!((answer.status, answer.body), no_database);
    let answer = ask(&study.factory, "GET", "/log", &[], "");
    assert_eq!((answer.status, answer.body), no_database);
    let source = Source::start(study.messages, &study.queue("delivery-queue"), &study.delivery, None);
    until("all in the dead-letter queue", || (study.depth("delivery-queue-dead") == 3).then_some(()));
    drop(source);
    study.maria.engine.start();
    assert_eq!(study.redrive("delivery-queue-dead"), 3);
    let _source = Source::start(study.messages, &study.queue("delivery-queue"), &study.delivery, None);
    until("the stock", || (study.stock(2) == 7).then_some(()));
    until("the others in the dead-letter queue", || (study.depth("delivery-queue-dead") == 2).then_some(()));
    assert_eq!(study.maria.number(NO_OPEN_ORDER).await, 0);
    let poison = study.delivery.lines().into_iter().filter(|line| line["event"] == "message.poison");
    let why: BTreeSet<String> = poison.map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert!(why.contains("MessageAttributeItemId is not a positive number"), "{why:?}");
    assert!(why.contains("no item 99 that has room for it"), "{why:?}");
}

/// A probe goes the whole way, is counted by each consumer, and leaves everything as it was, the next ids included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_is_counted_and_changes_nothing() {
    let study = MsaStudy::new().await;
    let (items, log) = (ask(&study.shop, "GET", "/item", &[], "").body, study.log());
    study.publish("order-topic", &[("Probe", "String", "probe-1")]);
    let sources = study.sources();
    let saw = |function: &support::lambda::Function| {
        function.lines().iter().any(|line| line["event"] == "probe.seen" && line["probe"] == "probe-1")
    };
    until("every consumer to see it", || {
        (saw(&study.order) && saw(&study.factory) && saw(&study.delivery)).then_some(())
    });
    until("the queues to be empty", || {
        (study.depth("order-queue") == 0 && study.depth("delivery-queue") == 0).then_some(())
    });
    drop(sources);
    assert_eq!((ask(&study.shop, "GET", "/item", &[], "").body, study.log()), (items, log));
    for table in ["item.orders", "item.inbox", "item.effects", "log.effects"] {
        assert_eq!(study.maria.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    let next = "SELECT CAST(SUM(AUTO_INCREMENT) AS UNSIGNED) FROM information_schema.TABLES \
                WHERE TABLE_NAME IN ('logs', 'items', 'factories') AND TABLE_SCHEMA IN ('item', 'log')";
    assert_eq!(study.maria.number(next).await, 2 + 4 + 3);
    // The lines have the ids of the event that was handled.
    let lines = study.delivery.lines();
    let line = lines.iter().find(|line| line["event"] == "probe.seen").unwrap();
    assert_eq!((&line["xray_trace_id"], line["invocation_id"].is_string()), (&json!(TRACE), true));
}
