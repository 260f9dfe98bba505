use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::messaging::attribute::MessageAttributes;

fn attributes() -> MessageAttributes {
    MessageAttributes::from([
        ("city".to_owned(), Attribute::text("String", "부산")),
        ("kind".to_owned(), Attribute::text("String", "order.created")),
        ("price".to_owned(), Attribute::text("Number", "19900")),
        ("tags".to_owned(), Attribute::text("String.Array", "[\"new\",\"hot\",7,null,true]")),
        ("ip".to_owned(), Attribute::text("String", "10.0.1.7")),
        ("raw".to_owned(), Attribute { kind: "Binary".to_owned(), content: Content::Binary("AAEC".to_owned()) }),
    ])
}

fn takes(policy: Value) -> bool {
    Policy::parse(&policy.to_string(), Scope::Attributes).expect("a policy").takes_attributes(&attributes())
}

#[test]
fn attributes_are_taken() {
    for policy in [
        json!({}),
        json!({ "city": ["서울", "부산"] }),
        json!({ "city": ["부산"], "price": [19900] }),
        json!({ "price": [19900.0] }),
        json!({ "kind": [{ "prefix": "order." }] }),
        json!({ "kind": [{ "suffix": ".created" }] }),
        json!({ "kind": [{ "equals-ignore-case": "Order.CREATED" }] }),
        json!({ "kind": [{ "anything-but": "order.deleted" }] }),
        json!({ "kind": [{ "anything-but": ["a", "b"] }] }),
        json!({ "kind": [{ "anything-but": { "prefix": "user." } }] }),
        json!({ "kind": [{ "anything-but": { "suffix": ".deleted" } }] }),
        json!({ "price": [{ "anything-but": [1, 2] }] }),
        json!({ "price": [{ "numeric": ["=", 19900] }] }),
        json!({ "price": [{ "numeric": [">", 0, "<=", 19900] }] }),
        json!({ "price": [{ "exists": true }] }),
        json!({ "nothing": [{ "exists": false }] }),
        json!({ "nothing": [null, { "anything-but": "x" }] }),
        json!({ "tags": ["hot"] }),
        json!({ "tags": [7] }),
        json!({ "tags": [null] }),
        json!({ "tags": [true] }),
        json!({ "tags": [{ "anything-but": ["new"] }] }),
        json!({ "ip": [{ "cidr": "10.0.0.0/16" }] }),
        json!({ "$or": [{ "city": ["서울"] }, { "price": [{ "numeric": [">", 1] }] }] }),
        json!({ "city": ["부산"], "$or": [{ "price": [1] }, { "price": [19900] }] }),
    ] {
        assert!(takes(policy.clone()), "{policy}");
    }
}

#[test]
fn attributes_are_not_taken() {
    for policy in [
        json!({ "city": ["서울"] }),
        json!({ "city": ["부산"], "price": [1] }),
        // A number is not equal to a text, and the other way round.
        json!({ "price": ["19900"] }),
        json!({ "price": [{ "prefix": "199" }] }),
        json!({ "city": [{ "numeric": ["=", 0] }] }),
        json!({ "kind": [{ "prefix": "Order" }] }),
        json!({ "kind": [{ "anything-but": ["order.created"] }] }),
        json!({ "kind": [{ "anything-but": { "prefix": "order" } }] }),
        json!({ "price": [{ "numeric": [">", 0, "<", 19900] }] }),
        json!({ "price": [{ "exists": false }] }),
        json!({ "nothing": [{ "exists": true }] }),
        // A missing field does not pass `anything-but`.
        json!({ "nothing": [{ "anything-but": "x" }] }),
        json!({ "raw": ["AAEC"] }),
        json!({ "tags": ["cold"] }),
        json!({ "ip": [{ "cidr": "10.1.0.0/16" }] }),
        json!({ "$or": [{ "city": ["서울"] }, { "price": [1] }] }),
        json!({ "city": ["서울"], "$or": [{ "price": [1] }, { "price": [19900] }] }),
    ] {
        assert!(!takes(policy.clone()), "{policy}");
    }
}

#[test]
fn bodies_are_looked_into() {
    let body = json!({
        "state": "paid", "order": { "lines": [{ "sku": "CP-1", "count": 2 }, { "sku": "CP-2", "count": 9 }], "note": null },
        "tags": ["a", "b"],
    })
    .to_string();
    let takes = |policy: Value| Policy::parse(&policy.to_string(), Scope::Body).expect("a policy").takes_body(&body);
    for policy in [
        json!({ "state": ["paid"] }),
        json!({ "order": { "lines": { "sku": ["CP-2"] } } }),
        json!({ "order": { "lines": { "count": [{ "numeric": [">", 5] }] }, "note": [null] } }),
        json!({ "order": { "missing": [{ "exists": false }] } }),
        json!({ "gone": { "missing": [{ "exists": false }] } }),
        json!({ "tags": ["b"] }),
        json!({ "$or": [{ "state": ["open"] }, { "order": { "lines": { "sku": [{ "prefix": "CP" }] } } }] }),
    ] {
        assert!(takes(policy.clone()), "{policy}");
    }
    for policy in [
        json!({ "state": ["open"] }),
        json!({ "order": ["x"] }),
        json!({ "order": { "lines": { "sku": ["CP-3"] } } }),
        json!({ "gone": { "missing": ["x"] } }),
        json!({ "tags": ["c"] }),
    ] {
        assert!(!takes(policy.clone()), "{policy}");
    }
    let any = Policy::parse("{\"a\":[{\"exists\":false}]}", Scope::Body).expect("a policy");
    assert!(any.takes_body("{}"));
    assert!(!any.takes_body("no json") && !any.takes_body("[]"));
}

#[test]
fn wrong_policies_are_refused() {
    for policy in [
        "",
        "[]",
        "{",
        "{\"a\":\"b\"}",
        "{\"a\":[]}",
        "{\"a\":[[\"b\"]]}",
        "{\"a\":{\"b\":[\"c\"]}}",
        "{\"a\":[{\"prefix\":1}]}",
        "{\"a\":[{\"wild\":\"x\"}]}",
        "{\"a\":[{\"prefix\":\"x\",\"suffix\":\"y\"}]}",
        "{\"a\":[{\"numeric\":[\">\"]}]}",
        "{\"a\":[{\"numeric\":[]}]}",
        "{\"a\":[{\"numeric\":[\"~\",1]}]}",
        "{\"a\":[{\"exists\":\"true\"}]}",
        "{\"a\":[{\"anything-but\":[]}]}",
        "{\"a\":[{\"cidr\":\"10.0.0.0/33\"}]}",
        "{\"a\":[1],\"b\":[1],\"c\":[1],\"d\":[1],\"e\":[1],\"f\":[1]}",
    ] {
        assert!(Policy::parse(policy, Scope::Attributes).is_err(), "{policy}");
    }
    let many = json!((0..13).collect::<Vec<_>>());
    assert!(Policy::parse(&json!({ "a": many, "b": many }).to_string(), Scope::Attributes).is_err());
    assert!(
        Policy::parse(
            &json!({ "a": { "b": { "c": [1, 2, 3, 4] } }, "d": { "e": [1, 2, 3] } }).to_string(),
            Scope::Body
        )
        .is_ok()
    );
    let deep = "{\"a\":".repeat(100) + "[1]" + &"}".repeat(100);
    assert!(Policy::parse(&deep, Scope::Body).is_err());
}

fn json_value() -> impl Strategy<Value = Value> {
    let word = || {
        prop_oneof![
            Just("$or".to_owned()),
            Just("prefix".to_owned()),
            Just("anything-but".to_owned()),
            Just("numeric".to_owned()),
            Just("exists".to_owned()),
            Just("cidr".to_owned()),
            Just("10.0.0.0/8".to_owned()),
            Just("::1/0".to_owned()),
            Just("<=".to_owned()),
            "[a-c한]{0,2}",
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(policy in json_value(), body in json_value(), text in ".{0,40}") {
        for scope in [Scope::Attributes, Scope::Body] {
            for policy in [policy.to_string(), text.clone()] {
                if let Ok(policy) = Policy::parse(&policy, scope) {
                    policy.takes_body(&body.to_string());
                    policy.takes_body(&text);
                    policy.takes_attributes(&attributes());
                }
            }
        }
    }
}
