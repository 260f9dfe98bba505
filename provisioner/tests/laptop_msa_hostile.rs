//! The shop of functions under hostile input: names, numbers, keys and paths, and messages that come again or are none.

#![allow(dead_code, reason = "shared by several tests")]

#[path = "support/shop.rs"]
mod shop;
#[path = "support/laptop.rs"]
mod support;

use serde_json::{Value, json};
use shop::{Shop, is_sold, log, patiently};

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
