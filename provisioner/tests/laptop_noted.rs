//! `stacks/noted.yaml` on this machine: donuts, a factory that calls back, and teams that count what they hear.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/selling.rs"]
mod selling;
#[path = "support/laptop.rs"]
mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use selling::{Factory, SKU, Selling};
use serde_json::{Value, json};
use support::{said, send, until};

/// The body of the curl line in the README of the system before this one, to the byte.
const CHECKOUT: &str = r#"{  "MessageAttributeFactoryId": "FF-500293"}"#;
const AT_ONCE: (&str, &str) = ("FACTORY_STEP_SECONDS: \"10\"", "FACTORY_STEP_SECONDS: \"0\"");

fn check_out(stack: &Selling) -> String {
    stack.told("POST", "/checkout", &[], CHECKOUT)
}

fn sold(left: i64) -> String {
    format!("200 {{\"message\":\"구매 완료! 남은 재고: {left}\"}}")
}

const SHORT: &str = "200 {\"message\":\"구매 실패! 남은 재고: 0\"}";

fn stock(stack: &Selling) -> i64 {
    stack.ask("GET", "/product/donut", &[], "").json()["stock"].as_i64().unwrap()
}

/// How often a team has heard of an event, on all days.
fn heard(stack: &Selling, team: &str, event: &str) -> i64 {
    let all = stack.ask("GET", &format!("/{team}"), &[], "").json();
    let all = all.as_array().unwrap().iter().filter(|it| it["event"] == event && it["product"] == SKU);
    all.map(|it| it["count"].as_i64().unwrap()).sum()
}

/// S2-1 to S2-3, S2-6, S2-8: the contract, with our own factory.
#[test]
fn donuts_are_sold_and_three_teams_hear_when_none_is_left() {
    let stack = Selling::open("noted", &[AT_ONCE]);
    let donut = stack.ask("GET", "/product/donut", &[], "").body;
    let uuid = |name: &str| {
        let after = donut.split(&format!("\"{name}\":\"")).nth(1).unwrap();
        assert_eq!(after.find('"'), Some(36), "{donut}");
        after[..36].to_owned()
    };
    let expected = format!(
        "{{\"product_id\":\"{}\",\"name\":\"부산도너츠\",\"price\":19900,\"stock\":3,\"BIN_TO_UUID(factory_id)\":\"{}\",\
         \"BIN_TO_UUID(ad_id)\":\"{}\"}}",
        uuid("product_id"),
        uuid("BIN_TO_UUID(factory_id)"),
        uuid("BIN_TO_UUID(ad_id)")
    );
    assert_eq!(donut, expected);
    for team in ["ops", "ad", "stock"] {
        stack.laptop.done(&["local", "stop", team]);
    }
    for left in [2, 1, 0] {
        assert_eq!(check_out(&stack), sold(left));
    }
    // Nothing is left, and a topic would refuse the order: nothing is half done.
    let empty = "400 {\"message\":\"The message attribute 'MessageAttributeFactoryId' must contain non-empty message \
                 attribute value for message attribute type 'String'.\"}";
    for body in ["{}", "", r#"{"MessageAttributeFactoryId":""}"#] {
        assert_eq!(stack.told("POST", "/checkout", &[], body), empty, "{body}");
    }
    for wrong in ["{", "[]", r#"{"MessageAttributeFactoryId":5}"#] {
        assert_eq!(stack.told("POST", "/checkout", &[], wrong), r#"400 {"message":"Invalid input"}"#, "{wrong}");
    }
    for _ in 0..4 {
        assert_eq!(check_out(&stack), SHORT);
    }
    let orders = |queue: &str| {
        let all = stack.peek(queue);
        all.into_iter().filter(|it| it["Subject"] == "도너츠 재고 부족").collect::<Vec<Value>>()
    };
    for queue in ["stock-queue", "ops-queue", "ad-queue"] {
        let found = until(queue, || Some(orders(queue)).filter(|all| !all.is_empty()));
        assert_eq!(found.len(), 1, "{queue}: {found:?}");
        let attributes = &found[0]["MessageAttributes"];
        for (name, value) in
            [("MessageAttributeProductId", &*uuid("product_id")), ("MessageAttributeFactoryId", "FF-500293")]
        {
            assert_eq!(attributes[name], json!({ "Type": "String", "Value": value }), "{queue}");
        }
    }
    assert_eq!(stack.depth("ops-queue"), 4, "three sales and an order");
    stack.laptop.done(&["up", "--yes"]);
    until("the callback", || (stock(&stack) == 10).then_some(()));
    assert_eq!(check_out(&stack), sold(9));
    until("the sales", || (heard(&stack, "ops", "sold") == 4).then_some(()));
    until("the order", || {
        (heard(&stack, "ad", "stock-empty") == 1 && heard(&stack, "ops", "stock-empty") == 1).then_some(())
    });
    assert_eq!(heard(&stack, "ad", "sold"), 0);
    let day = stack.ask("GET", "/ops", &[], "").json()[0]["day"].as_str().unwrap().to_owned();
    assert!(day.len() == 10 && day.as_bytes()[4] == b'-', "{day}");

    for (method, path) in [("GET", "/nowhere"), ("PUT", "/checkout"), ("GET", "/checkout")] {
        assert_eq!(stack.told(method, path, &[], ""), r#"404 {"error":"Not Found"}"#, "{method} {path}");
    }
    // Under one key a purchase happens once.
    let keyed = || stack.told("POST", "/checkout", &[("idempotency-key", "p1")], CHECKOUT);
    assert_eq!([keyed(), keyed()], [sold(8), sold(8)]);
    assert_eq!(stock(&stack), 8);
    assert!(stack.laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));

    // A probe is counted on its whole way, and nobody can see that it was there.
    let seen = || ["/product/donut", "/ops", "/ad"].map(|path| stack.ask("GET", path, &[], "").body);
    let (before, lines) = (seen(), stack.factory("GET", "/factory", &[], "").body);
    let probe = said(&stack.laptop.run(&["probe"]));
    for hop in ["sales", "ops", "ad", "stock", "stock-empty", "sold"] {
        let is_ok = |line: &str| line.split_whitespace().take(2).eq([hop, "ok"]);
        assert!(probe.lines().any(is_ok), "{hop}: {probe}");
    }
    assert_eq!((seen(), stack.factory("GET", "/factory", &[], "").body), (before, lines));
}

/// The request that the factory gets, and the answer that its callback gets.
#[test]
fn the_factory_gets_what_it_knows_and_each_callback_has_one_answer() {
    let factory = Factory::open();
    let theirs = format!("FACTORY_URL: \"{}\"", factory.url);
    let stack = Selling::open("noted", &[("FACTORY_URL: \"\"", &theirs)]);
    while check_out(&stack) != SHORT {}
    let asked = until("the order", || factory.asked().first().cloned());
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let url = body["CallbackUrl"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", stack.api)).unwrap();
    assert!(path.starts_with("/product/donut?token="), "{path}");
    let expected = json!({
        "MessageGroupId": "stock-arrival-group", "MessageAttributeProductId": SKU, "MessageAttributeProductCnt": "10",
        "MessageAttributeFactoryId": "FF-500293", "MessageAttributeRequester": "TEAM-F", "CallbackUrl": url,
    });
    assert_eq!(body, expected);

    let post = |path: &str, headers: &[(&str, &str)], body: &str| stack.told("POST", path, headers, body);
    for path in ["/product/donut", "/product/donut?token=", "/product/donut?token=0"] {
        assert_eq!(post(path, &[], &asked.body), r#"401 {"message":"Unauthorized"}"#, "{path}");
        assert_eq!(post(path, &[], "{}"), r#"401 {"message":"Unauthorized"}"#, "{path}");
    }
    assert_eq!(post(path, &[], "{}"), r#"400 {"message":"Invalid input"}"#);
    let other = r#"{"MessageAttributeProductId":"nothing","MessageAttributeProductCnt":1}"#;
    assert_eq!(post(path, &[], other), r#"400 {"message":"상품 없음"}"#);
    assert_eq!(stock(&stack), 0);
    // The text is the same each time, whatever was sold since.
    assert_eq!(post(path, &[], &asked.body), r#"200 {"message":"입고 완료! 남은 재고: 10"}"#);
    assert_eq!(check_out(&stack), sold(9));
    assert_eq!(post(path, &[], &asked.body), r#"200 {"message":"입고 완료! 남은 재고: 10"}"#);
    // The count is a number, and never hung on to the text of another.
    let key = stack.key();
    let keyed =
        post("/product/donut", &[("x-api-key", &key), ("x-job-id", "7")], r#"{"MessageAttributeProductCnt":"010"}"#);
    assert_eq!(keyed, r#"200 {"message":"입고 완료! 남은 재고: 19"}"#);
    assert_eq!(stock(&stack), 19);
}

/// S2-7 and more: buyers in parallel, while each process is killed in turn. Nothing is oversold, nothing that was
/// acknowledged is lost, nothing is credited or counted twice.
#[test]
fn the_books_balance_whoever_is_killed() {
    let stack = Selling::open("noted", &[AT_ONCE]);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let answers: Mutex<Vec<bool>> = Mutex::default();
    let victims =
        ["sales", "stock", "stock-increase", "ops", "ad", "factory", "http-api", "messaging", "products", "jobs"];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let key = format!("buyer-{}", next.fetch_add(1, Ordering::Relaxed));
                    answers.lock().unwrap().push(insist(&stack.api, &key));
                    std::thread::sleep(Duration::from_millis(40));
                }
            });
        }
        for victim in victims {
            std::thread::sleep(Duration::from_millis(700));
            let killed = stack.laptop.run(&["local", "kill", victim]);
            assert!(killed.status.success(), "{victim}: {}", said(&killed));
            // A part that has given up, or ended with another, is brought back as people would do it.
            let up = stack.laptop.run(&["up", "--yes"]);
            assert!(up.status.success(), "{victim}: {}", said(&up));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let answers = answers.into_inner().unwrap();
    let sales = answers.iter().filter(|is_sold| **is_sold).count() as i64;
    assert!(sales > 3, "{sales} of {}", answers.len());
    // A message that no consumer could handle waits in a dead-letter queue, and comes back when somebody says so.
    let queues = ["stock-queue", "ops-queue", "ad-queue"];
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        for queue in queues {
            stack.laptop.run(&["redrive", queue, "--yes"]);
        }
        let (ordered, delivered) = (heard(&stack, "ops", "stock-empty"), delivered(&stack));
        let is_quiet = queues.iter().all(|queue| stack.depth(queue) == 0);
        let books = (stock(&stack), heard(&stack, "ops", "sold"), heard(&stack, "ad", "stock-empty"), ordered);
        let expected = (3 + 10 * delivered - sales, sales, delivered, delivered);
        if is_quiet && books == expected {
            break;
        }
        assert!(Instant::now() < deadline, "stock, sold, orders: {books:?}, expected {expected:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let page = stack.factory("GET", "/factory", &[], "").body;
    assert_eq!(page.matches("<td>CP-502101</td>").count() as i64, delivered(&stack), "each order is one job: {page}");
}

/// How many callbacks the factory has made.
fn delivered(stack: &Selling) -> i64 {
    let page = send(&stack.balancer, "GET", "/factory", &[], "");
    page.map_or(-1, |page| page.body.matches("called back").count() as i64)
}

/// Buys under a key until there is an answer. Says whether it was sold.
fn insist(api: &str, key: &str) -> bool {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(answer) = send(api, "POST", "/checkout", &headers, CHECKOUT).filter(|answer| answer.status == 200) {
            assert!(answer.body.contains("구매 "), "{}", answer.body);
            return answer.body.contains("구매 완료");
        }
        assert!(Instant::now() < deadline, "{key} got no answer");
        std::thread::sleep(Duration::from_millis(100));
    }
}
