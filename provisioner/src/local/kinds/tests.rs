//! The rules that every kind of this machine keeps.

use std::collections::BTreeMap;

use local::messaging;

use super::*;
use crate::kind::Status;
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::scope::Scope;

fn scope() -> Scope {
    let name = |text: &str| text.to_owned();
    Scope { account: name("1"), region: name("r"), stack: name("s"), env: name("e"), tags: BTreeMap::new() }
}

#[test]
fn every_field_of_a_state_has_a_class() {
    for kind in KINDS {
        let facts = kind.facts();
        let listed: Vec<&str> = facts.fields.iter().map(|field| field.name).collect();
        let mut fields = kind.state_fields();
        fields.sort();
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, fields, "{}", facts.name);
        assert_eq!(facts.service(), "local", "{}", facts.name);
        assert!((REGISTRY.find)(facts.name).is_some(), "{}", facts.name);
    }
}

/// A declaration that was read and is written again is the same one.
#[test]
fn what_a_server_has_can_be_declared_again() {
    let attributes = |pairs: &[(&str, &str)]| -> messaging::Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let queue = attributes(&[
        ("VisibilityTimeout", "7"),
        ("MessageRetentionPeriod", "60"),
        ("DelaySeconds", "1"),
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:d.fifo","maxReceiveCount":5}"#),
    ]);
    let state = QueueState::of(&scope(), "q.fifo", &queue);
    assert_eq!(state.attributes(), queue);
    assert_eq!((state.visibility_timeout, state.others.len()), (7, 1));
    assert_eq!(QueueState::of(&scope(), "q", &attributes(&[])).retention, 345_600, "what SQS has when nobody says");
    let topic = attributes(&[("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]);
    assert_eq!(TopicState::of(&scope(), "t.fifo", &topic).attributes(), topic);
    let subscription = messaging::Subscription {
        topic: "t".to_owned(),
        queue: "q".to_owned(),
        attributes: attributes(&[("RawMessageDelivery", "true"), ("FilterPolicy", "{}")]),
    };
    assert_eq!(SubscriptionState::of(&subscription).declaration(), subscription);
    let delivery = messaging::FunctionSubscription {
        topic: "t".to_owned(),
        function: "f".to_owned(),
        port: 7,
        attributes: attributes(&[
            ("FilterPolicy", r#"{"kind":["order"]}"#),
            ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:f-failed"}"#),
        ]),
    };
    assert_eq!(DeliveryState::of(&delivery).declaration(), Some(delivery));
}

#[test]
fn what_nobody_asks_for_any_more_has_the_section_that_asked() {
    let live = |kind, name: &str, state: &str| AnyLive {
        address: Address { kind, name: name.to_owned() },
        id: name.to_owned(),
        owner: Owner::Child,
        state: Json::of(&serde_json::json!({ "section": state })),
        output: Json::of(&()),
        ready: None,
        status: Status::Ready,
    };
    for (kind, name, state, section) in [
        ("local.process", "a-replica", "databases.a", "databases.a"),
        ("local.process", "a", "", "stack"),
        ("local.topic", "a", "", "topics.a"),
        ("local.queue", "a-dead-letter", "", "queues.a"),
        ("local.queue", "a", "", "queues.a"),
        ("local.subscription", "a-to-b", "", "queues.b"),
        ("local.queue", "a-failed", "", "functions.a"),
        ("local.delivery", "a-to-b", "", "functions.b"),
        ("local.api", "http-api", "", "functions"),
        ("local.routes", "web", "", "services"),
    ] {
        assert_eq!(owner_of(&live(kind, name, state)), section, "{kind} {name}");
    }
}
