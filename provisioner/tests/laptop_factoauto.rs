//! `stacks/factoauto.yaml` on this machine: sales, an order when nothing is left, and a factory that calls back.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/selling.rs"]
mod selling;
#[path = "support/laptop.rs"]
mod support;

use selling::{Factory, SKU, Selling};
use serde_json::{Value, json};
use support::{said, send, until};

/// The body of the curl line in the README of the system before this one, to the byte.
const SALE: &str = r#"{   "MessageGroupId": "stock-empty-group",    "subject": "부산도너츠",  "message": "재고 부족",    "MessageAttributeProductId": "CP-502101",    "MessageAttributeFactoryId": "FF-500293"}"#;
const SOLD: &str = r#"200 {"message":"판매완료"}"#;
const SHORT: &str = r#"200 {"message":"재고부족, 제품 생산 요청!"}"#;
const CREDITED: &str = r#"200 {"message":"입고완료"}"#;
const UNAUTHORIZED: &str = r#"401 {"message":"Unauthorized"}"#;
const NO_PRODUCT: &str = r#"404 {"message":"상품 없음"}"#;
const INC: &str = "/stock_inc_api/send";
const AT_ONCE: (&str, &str) = ("FACTORY_STEP_SECONDS: \"10\"", "FACTORY_STEP_SECONDS: \"0\"");

fn sell(stack: &Selling) -> String {
    stack.told("POST", "/sale_api/send", &[], SALE)
}

/// Sells until nothing is left, and says how many that were.
fn sell_out(stack: &Selling) -> usize {
    let mut sold = 0;
    loop {
        match sell(stack).as_str() {
            SOLD => sold += 1,
            SHORT => return sold,
            other => panic!("{other}"),
        }
    }
}

/// S3-1 to S3-4, S3-10: the contract, with our own factory.
#[test]
fn sales_order_from_the_factory_and_the_factory_fills_the_stock() {
    let stack = Selling::open("factoauto", &[AT_ONCE]);
    stack.laptop.done(&["local", "stop", "stock-empty"]);
    assert_eq!(sell_out(&stack), 3);
    let log = said(&stack.laptop.run(&["logs", "sale"]));
    for line in ["\"MessageAttributeProductId\":\"CP-502101\"", "\"ResponseMetadata\":{\"RequestId\":"] {
        assert!(log.contains(line), "{line}: {log}");
    }

    // However often people ask, there is one order.
    for _ in 0..5 {
        assert_eq!(sell(&stack), SHORT);
    }
    let envelopes = until("the order", || Some(stack.peek("stock-queue")).filter(|all| !all.is_empty()));
    assert_eq!(envelopes.len(), 1, "{envelopes:?}");
    let envelope = &envelopes[0];
    assert_eq!((&envelope["Type"], &envelope["Subject"]), (&json!("Notification"), &json!("부산도너츠")));
    assert!(envelope["Message"].as_str().unwrap().starts_with("재고 부족 \n \n This was sent: "), "{envelope}");
    for (name, value) in [("ProductId", SKU), ("FactoryId", "FF-500293")] {
        assert_eq!(envelope["MessageAttributes"][name], json!({ "Type": "String", "Value": value }));
    }
    // The whole way: the order, the factory, the callback.
    stack.laptop.done(&["local", "restart", "stock-empty"]);
    let lines = || stack.factory("GET", "/factory", &[], "").body;
    until("the callback", || lines().contains("called back (1)").then_some(()));
    let page = lines();
    for shown in
        ["공장진행상태", "FactoAuto", "<td>CP-502101</td><td>10</td><td>99</td><td>종료</td>", "/stock_inc_api/send<"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("token="), "{page}");
    stack.laptop.done(&["local", "stop", "factory"]);
    assert_eq!(sell_out(&stack), 10);
    stack.laptop.done(&["up", "--yes"]);
    until("the second callback", || (lines().matches("called back").count() == 2).then_some(()));

    let reference = stack.factory("GET", "/", &[], "");
    assert_eq!(reference.status, 200);
    assert!(["MessageAttributeProductCnt", "CallbackUrl"].iter().all(|name| reference.body.contains(name)));
    assert_eq!(stack.factory("GET", "/openapi.json", &[], "").json()["openapi"], "3.0.1");
    assert_eq!(stack.told("GET", "/nowhere", &[], ""), r#"404 {"message":"Not Found"}"#);
    assert!(stack.laptop.done(&["plan", "--exit-code"]).starts_with("No changes"));
}

/// S3-3 to S3-6: what the factory is asked, and whose callbacks count, with a factory of the test.
#[test]
fn a_callback_counts_once_and_only_from_whom_we_asked() {
    let factory = Factory::open();
    let theirs = format!("FACTORY_URL: \"{}\"", factory.url);
    let stack = Selling::open("factoauto", &[("FACTORY_URL: \"\"", &theirs)]);
    assert_eq!(sell_out(&stack), 3);
    let asked = until("the order", || factory.asked().first().cloned());
    assert_eq!(asked.line, "POST /api/manufactures HTTP/1.1");
    assert!(asked.head.contains("idempotency-key: "), "{}", asked.head);
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let url = body["CallbackUrl"].as_str().unwrap();
    let (path, token) = url.strip_prefix(&format!("http://{}", stack.api)).unwrap().split_once("?token=").unwrap();
    assert_eq!((path, token.len()), (INC, 32));
    let expected = json!({
        "MessageGroupId": "stock-arrival-group", "MessageAttributeProductId": SKU, "MessageAttributeProductCnt": 10,
        "MessageAttributeFactoryId": "FF-500293", "MessageAttributeRequester": "FactoAuto", "CallbackUrl": url,
    });
    assert_eq!(body, expected);

    // Nothing of these changes anything, whatever they say.
    let inc = |path: &str, headers: &[(&str, &str)], body: &str| stack.told("POST", path, headers, body);
    for path in
        [INC, &format!("{INC}?token="), &format!("{INC}?token={}", "0".repeat(32)), &format!("{INC}?tokens={token}")]
    {
        for body in
            [&*asked.body, "{\"MessageAttributeProductId\":\"nothing\",\"MessageAttributeProductCnt\":10}", "", "{"]
        {
            assert_eq!(inc(path, &[], body), UNAUTHORIZED, "{path} {body}");
            assert_eq!(inc(path, &[("x-api-key", "guess")], body), UNAUTHORIZED, "{path} {body}");
        }
    }
    let key = stack.key();
    let keyed = |job: &str, body: &str| inc(INC, &[("x-api-key", &key), ("idempotency-key", job)], body);
    for count in ["0", "-1", "1000001", "\"ten\"", "1.5", "null", "\"\"", "\" 1\""] {
        let body = format!(r#"{{"MessageAttributeProductId":"{SKU}","MessageAttributeProductCnt":{count}}}"#);
        assert_eq!(keyed("wrong", &body), r#"400 {"message":"Invalid input"}"#, "{count}");
    }
    assert_eq!(keyed("wrong", "[]"), r#"400 {"message":"Invalid input"}"#);
    let of = |sku: &str, count: &str| {
        format!(r#"{{"MessageAttributeProductId":"{sku}","MessageAttributeProductCnt":{count}}}"#)
    };
    for sku in ["nothing", "CP-502101 ", "cp-502101", "' OR 1=1 -- ", ""] {
        assert_eq!(keyed("wrong", &of(sku, "10")), NO_PRODUCT, "{sku:?}");
        assert_eq!(inc(&format!("{INC}?token={token}"), &[], &of(sku, "10")), NO_PRODUCT, "{sku:?}");
    }
    assert_eq!(sell_out(&stack), 0);

    // Twenty callbacks at once, and one more a moment later: ten are credited, and each gets the same answer.
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..20).map(|_| scope.spawn(|| inc(&format!("{INC}?token={token}"), &[], &asked.body))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), CREDITED);
        }
    });
    assert_eq!(inc(&format!("{INC}?token={token}"), &[("idempotency-key", "other")], &asked.body), CREDITED);
    assert_eq!(sell_out(&stack), 10);
    until("the second order", || (factory.asked().len() == 2).then_some(()));

    // With the key of the stack: once for each key, or each job.
    let ten = of(SKU, "\"010\"");
    for _ in 0..3 {
        assert_eq!(keyed("job-1", &ten), CREDITED);
        assert_eq!(inc(INC, &[("x-api-key", &key), ("x-job-id", "job-2")], &ten), CREDITED);
    }
    assert_eq!(sell_out(&stack), 20);
    // The second order is still open: there is no third.
    assert_eq!(factory.asked().len(), 2);

    // As the original was: everybody may call back.
    stack.laptop.change(
        "    uses: [products, admin-key]",
        "    uses: [products, admin-key]\n    env: { CALLBACK_AUTH: original }",
    );
    stack.laptop.done(&["up", "--yes"]);
    assert_eq!(inc(INC, &[], &of(SKU, "2")), CREDITED);
    assert_eq!(sell_out(&stack), 2);
}

/// S3-5 to S3-9: what clients send, and a factory that is away, slow or talks nonsense. Nothing is lost after a redrive.
#[test]
fn nothing_is_lost_while_the_factory_is_away_and_nothing_is_half_done() {
    let factory = Factory::open();
    let theirs = format!("FACTORY_URL: \"{}\"", factory.url);
    let stack = Selling::open(
        "factoauto",
        &[
            ("FACTORY_URL: \"\"", &theirs),
            // So that four receives take seconds.
            ("    timeout: 5s", "    timeout: 1s"),
        ],
    );
    let told = |body: &str| stack.told("POST", "/sale_api/send", &[], body);
    for sku in ["CP-1", "", "' OR '1'='1", "<script>", "🦀"] {
        assert_eq!(
            told(&json!({ "MessageAttributeProductId": sku, "MessageAttributeFactoryId": "F" }).to_string()),
            NO_PRODUCT
        );
    }
    for wrong in
        ["", "{", "[]", "\"x\"", r#"{"MessageAttributeProductId":5}"#, r#"{"MessageAttributeProductId":"a\u0000"}"#]
    {
        assert_eq!(told(wrong), r#"400 {"message":"Invalid input"}"#, "{wrong}");
    }
    assert_eq!(
        sell_out_with(
            &stack,
            r#"{"MessageAttributeProductId":"CP-502101","MessageAttributeFactoryId":"FF-500293"}"#,
            &factory
        ),
        3
    );

    // The first order is refused, answered with nonsense, or left without an answer. Four receives later it waits apart.
    factory.answers("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n");
    let dead = || {
        let all = stack.laptop.status()["queues"].take();
        let found =
            all.as_array().unwrap().iter().find(|it| it["name"] == "stock-queue").unwrap()["dead_letters"].clone();
        found.as_u64().unwrap_or_else(|| panic!("{all}"))
    };
    for nonsense in
        ["I am no HTTP\r\n\r\n", "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", ""]
    {
        factory.answers(nonsense);
        let before = factory.asked().len();
        until("another attempt", || (dead() > 0 || factory.asked().len() > before).then_some(()));
    }
    until("the dead letter", || (dead() == 1).then_some(()));
    assert_eq!(sell(&stack), SHORT);
    factory.answers("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n<nothing");
    let before = factory.asked().len();
    stack.laptop.done(&["redrive", "stock-queue", "--yes"]);
    let asked = until("the order", || factory.asked().get(before).cloned());
    let url: Value = serde_json::from_str(&asked.body).unwrap();
    let url = url["CallbackUrl"].as_str().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    // An old factory sends the body and nothing else.
    let answer = send(host, "POST", &format!("/{path}"), &[], &asked.body).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"message":"입고완료"}"#));
    // All attempts had one key, so a factory that keeps an inbox has one job.
    let keys: std::collections::BTreeSet<String> = factory
        .asked()
        .iter()
        .filter_map(|asked| Some(asked.head.split("idempotency-key: ").nth(1)?.lines().next()?.to_owned()))
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");

    // A topic would refuse these, so nothing is ordered, and nothing is half done.
    assert_eq!(sell_out(&stack), 10);
}

/// Sells all with a body, and then tries the bodies that a topic refuses while nothing is left and nothing is ordered.
fn sell_out_with(stack: &Selling, body: &str, factory: &Factory) -> usize {
    let told = |body: &str| stack.told("POST", "/sale_api/send", &[], body);
    for _ in 0..3 {
        assert_eq!(told(body), SOLD);
    }
    let empty = "400 {\"message\":\"The message attribute 'FactoryId' must contain non-empty message attribute value for \
                 message attribute type 'String'.\"}";
    for body in [
        json!({ "MessageAttributeProductId": SKU }),
        json!({ "MessageAttributeProductId": SKU, "MessageAttributeFactoryId": "" }),
    ] {
        assert_eq!(told(&body.to_string()), empty);
    }
    for subject in ["", "two\nlines", &"x".repeat(100)] {
        let body = json!({ "MessageAttributeProductId": SKU, "MessageAttributeFactoryId": "F", "subject": subject });
        assert_eq!(told(&body.to_string()), r#"400 {"message":"Invalid parameter: Subject"}"#);
    }
    assert_eq!((stack.depth("stock-queue"), factory.asked().len()), (0, 0));
    factory.answers("HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(told(body), SHORT);
    3
}
