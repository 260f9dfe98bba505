//! The shop of `stacks/msa-study.yaml` on this machine: functions, an HTTP API, two databases, topics and queues.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/shop.rs"]
mod shop;
#[path = "support/laptop.rs"]
mod support;

use serde_json::Value;
use shop::Shop;
use support::{said, send, until};

#[test]
fn people_buy_and_the_factory_produces_what_is_missing() {
    let shop = Shop::open();
    let items = r#"[{"item_id":1,"name":"Item1","price":10000,"quantity":1,"factory_id":1},{"item_id":2,"name":"Item2","price":20000,"quantity":2,"factory_id":2},{"item_id":3,"name":"Item3","price":30000,"quantity":3,"factory_id":1}]"#;
    assert_eq!(shop.told("GET", "/item", ""), format!("200 {items}"));
    let log = r#"[{"log_id":1,"factory_id":1,"factory_name":"Factory1","item_id":1,"item_name":"Item1","quantity":5,"requester":"jeonghun","datetime":"2023-05-18T09:46:48.000Z"}]"#;
    assert_eq!(shop.told("GET", "/log", ""), format!("200 {log}"));
    let refused = r#"200 {"message":"구매 실패! 남은 재고: 2, 생산요청 진행중"}"#;
    assert_eq!(shop.buy("Item2", "5"), refused);
    until("the delivery", || (shop.stock("Item2") == 7).then_some(()));
    let produced = shop.ask("GET", "/log", &[], "").json()[1].clone();
    let told = ["factory_id", "factory_name", "item_id", "item_name", "quantity", "requester"]
        .map(|name| produced[name].to_string());
    assert_eq!(told.join(" "), r#"2 "Factory2" 2 "Item2" 5 "jeonghun""#);
    assert_eq!(shop.buy("Item2", "5"), r#"200 {"message":"구매 완료! 남은 재고: 2"}"#);
    assert_eq!(shop.buy("Item1", "1"), r#"200 {"message":"구매 완료! 남은 재고: 0"}"#);
    assert_eq!(shop.buy("Item9", "1"), r#"400 {"message":"상품 없음"}"#);
    for wrong in ["0", "-5", "\"abc\"", "1e99"] {
        assert!(shop.buy("Item3", wrong).starts_with("400 "), "{wrong}");
    }
    assert_eq!(shop.stock("Item3"), 3);
    assert_eq!(shop.told("GET", "/nowhere", ""), r#"404 {"error":"Not Found"}"#);
    assert!(shop.told("PUT", "/item/1", r#"{"quantity":9}"#).starts_with("401 "));
    let set = shop.ask("PUT", "/item/1", &[("x-api-key", &shop.key())], r#"{"quantity":9}"#);
    assert!(set.status == 200 && set.body.contains("수량 변경 완료"), "{}", set.body);
    assert_eq!(shop.stock("Item1"), 9);
    assert!(shop.laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));

    // A route is changed without a restart, and a function by a restart of itself alone.
    let before = shop.laptop.pids();
    shop.laptop.change(r#"paths: ["/log"]"#, r#"paths: ["/log", "/logs"]"#);
    let plan = shop.laptop.done(&["plan"]);
    assert!(
        plan.contains("~ change  local.api http-api") && plan.contains("routes.ANY /logs: (unset) -> \"factory\""),
        "{plan}"
    );
    shop.laptop.done(&["up", "--yes"]);
    assert_eq!(shop.laptop.pids(), before);
    until("the new route", || shop.told("GET", "/logs", "").starts_with("404 {\"error\"").then_some(()));
    shop.laptop.change("    on: { queue: order-queue }", "    on: { queue: order-queue }\n    timeout: 7s");
    let plan = shop.laptop.done(&["plan"]);
    assert!(
        plan.contains("local.process order\n      restart") && plan.contains("visibility_timeout: 60 -> 42"),
        "{plan}"
    );
    shop.laptop.done(&["up", "--yes"]);
    let changed: Vec<String> =
        shop.laptop.pids().into_iter().filter(|part| !before.contains(part)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["order"]);
}

/// Each function is a part: it can be stopped, paused and killed. Nothing that was acknowledged is lost by that.
#[test]
fn what_stops_goes_on_where_it_was() {
    let shop = Shop::open();
    shop.laptop.done(&["local", "stop", "order"]);
    assert!(shop.buy("Item2", "5").contains("구매 실패"));
    let queue = |name: &str| {
        let all = shop.laptop.status()["queues"].take();
        all.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone()
    };
    until("the order to wait", || (queue("order-queue")["visible"] == 1).then_some(()));
    shop.laptop.done(&["local", "stop", "factory"]);
    assert_eq!(shop.told("GET", "/log", ""), r#"503 {"message":"Service Unavailable"}"#);
    shop.laptop.done(&["local", "kill", "messaging"]);
    shop.laptop.done(&["up", "--yes"]);
    until("the delivery", || (shop.stock("Item2") == 7).then_some(()));
    // Twenty buyers at once for seven: nothing is oversold.
    let sold = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..20).map(|_| scope.spawn(|| shop.buy("Item2", "1"))).collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).filter(|told| told.contains("구매 완료")).count()
    });
    assert!(sold >= 7, "{sold}");
    let orders = |log: &Value| log.as_array().unwrap().iter().filter(|it| it["item_id"] == 2).count() as i64;
    let log = until("all orders to be delivered", || {
        let log = shop.ask("GET", "/log", &[], "").json();
        let produced: i64 = log
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["item_id"] == 2)
            .map(|it| it["quantity"].as_i64().unwrap())
            .sum();
        (shop.stock("Item2") == 2 + produced - sold as i64).then_some(log)
    });
    assert!(orders(&log) >= 1);
    let down = shop.laptop.told(&["down", "--delete-data", "--yes"], 0, "stopped, and its data deleted");
    assert!(down.contains("DATA LOSS"), "{down}");
}

/// A probe is counted on its whole way, and nobody can see that it was there. Events that a function failed at are tried
/// again when somebody says so.
#[test]
fn a_probe_leaves_everything_as_it_was_and_failed_events_are_tried_again() {
    let shop = Shop::open();
    let seen = || (shop.told("GET", "/item", ""), shop.told("GET", "/log", ""));
    let before = seen();
    let up = said(&shop.laptop.run(&["up", "--yes"]));
    for hop in ["shop", "factory", "order-topic", "order", "delivery"] {
        let is_ok = |line: &str| line.split_whitespace().take(2).eq([hop, "ok"]);
        assert!(up.lines().any(is_ok), "{hop}: {up}");
    }
    let probe = shop.laptop.told(&["probe"], 0, "probe: one event");
    assert!(!probe.contains("skipped"), "{probe}");
    assert_eq!(seen(), before);
    shop.buy("Item2", "5");
    until("the delivery", || (shop.stock("Item2") == 7).then_some(()));
    assert_eq!(shop.ask("GET", "/log", &[], "").json()[1]["log_id"], 2, "the probe has taken no id");

    let outputs: Value = serde_json::from_slice(&shop.laptop.run(&["outputs", "--json"]).stdout).unwrap();
    let url = outputs["queues.order-queue.url"].as_str().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let failed = format!("http://{host}/{}", path.replace("order-queue", "shop-outbox-failed"));
    let record = serde_json::json!({
        "version": "1.0", "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    });
    let ask = |action: &str, body: Value| {
        let target = format!("AmazonSQS.{action}");
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target.as_str()),
            ("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/ap-northeast-2/sqs/aws4_request"),
        ];
        let answer = send(host, "POST", "/", &headers, &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let put = || ask("SendMessage", serde_json::json!({"QueueUrl": failed, "MessageBody": record.to_string()}));
    put();
    shop.laptop.told(&["redrive", "shop-outbox", "--yes"], 0, "`shop-outbox` handled 1 event");
    shop.laptop.told(&["redrive", "shop-outbox"], 0, "there is no event to call `shop-outbox` again with");

    put();
    put();
    shop.laptop.done(&["local", "stop", "item"]);
    shop.laptop.told(&["redrive", "shop-outbox", "--yes"], 1, "failed at 2 again");
    shop.laptop.done(&["up", "--yes"]);
    let told = said(&shop.laptop.run(&["redrive", "shop-outbox", "--yes", "--json"]));
    assert!(told.contains("\"handled\": 2"), "{told}");
    shop.laptop.told(&["redrive", "order", "--yes"], 64, "its messages are those of its queue");
}
