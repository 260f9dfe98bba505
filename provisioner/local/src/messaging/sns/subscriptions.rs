//! Subscriptions. Only queues can subscribe by a call. Functions are declared.

use std::collections::BTreeMap;

use super::delivery;
use super::form::Form;
use super::xml::{element, entries};
use super::{invalid, no_topic, topic};
use crate::messaging::arn;
use crate::messaging::record::{Record, Subscribed};
use crate::messaging::refusal::Refusal;
use crate::messaging::state::{Function, Subscription};
use crate::messaging::store::{Store, new_id};

pub fn subscribe(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let name = topic(form.require("TopicArn")?)?.to_owned();
    if !store.state.topics.contains_key(&name) {
        return Err(no_topic());
    }
    if form.require("Protocol")? != "sqs" {
        return Err(invalid("Protocol Reason: only sqs can be subscribed by a call here"));
    }
    let endpoint = form.get("Endpoint").unwrap_or_default();
    let queue = arn::queue_name(endpoint).ok_or_else(|| invalid("SQS endpoint ARN"))?.to_owned();
    let attributes = form.map("Attributes.entry");
    let subscribed = Subscribed { topic: name, queue, attributes, declared: false };
    // In this call SNS says that the wrong attribute is one of `Attributes`. In the call that sets one attribute it
    // does not.
    check(&subscribed).map_err(|refusal| match refusal.message.strip_prefix("Invalid parameter: FilterPolicy") {
        Some(rest) => invalid(&format!("Attributes Reason: FilterPolicy{rest}")),
        None => refusal,
    })?;
    let same = |other: &&Subscribed| other.topic == subscribed.topic && other.queue == subscribed.queue;
    let existing = store.state.subscriptions.iter().find(|(_, subscription)| same(&&subscription.subscribed));
    if let Some((arn, existing)) = existing {
        if !subscribed.attributes.is_empty() && existing.subscribed.attributes != subscribed.attributes {
            return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
        }
        return Ok(element("SubscriptionArn", arn));
    }
    let arn = format!("{}:{}", store.place.topic(&subscribed.topic), new_id());
    let told = element("SubscriptionArn", &arn);
    store.commit(vec![Record::Subscription { arn, subscription: subscribed }], now)?;
    Ok(told)
}

/// Checks what may be subscribed, and declared.
pub fn check(subscribed: &Subscribed) -> Result<(), Refusal> {
    if arn::is_fifo(&subscribed.queue) && !arn::is_fifo(&subscribed.topic) {
        return Err(invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ));
    }
    delivery::parse(&subscribed.attributes)?;
    Ok(())
}

pub fn unsubscribe(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let arn = form.require("SubscriptionArn")?.to_owned();
    if store.state.subscriptions.contains_key(&arn) {
        store.commit(vec![Record::SubscriptionGone { arn }], now)?;
    }
    Ok(String::new())
}

pub fn list(store: &Store) -> String {
    members(store, |_| true)
}

pub fn list_by_topic(store: &Store, form: &Form) -> Result<String, Refusal> {
    let name = topic(form.require("TopicArn")?)?;
    if !store.state.topics.contains_key(name) {
        return Err(no_topic());
    }
    Ok(members(store, |topic| topic == name))
}

pub fn get(store: &Store, form: &Form) -> Result<String, Refusal> {
    let arn = form.require("SubscriptionArn")?;
    let Subscription { subscribed, delivery } = store.state.subscriptions.get(arn).ok_or_else(no_subscription)?;
    let mut all = BTreeMap::from([
        ("SubscriptionArn".to_owned(), arn.to_owned()),
        ("TopicArn".to_owned(), store.place.topic(&subscribed.topic)),
        ("Owner".to_owned(), store.place.account.clone()),
        ("Protocol".to_owned(), "sqs".to_owned()),
        ("Endpoint".to_owned(), store.place.queue(&subscribed.queue)),
        ("RawMessageDelivery".to_owned(), delivery.raw.to_string()),
        ("PendingConfirmation".to_owned(), "false".to_owned()),
        ("ConfirmationWasAuthenticated".to_owned(), "true".to_owned()),
        ("SubscriptionPrincipal".to_owned(), store.place.root()),
    ]);
    if subscribed.attributes.contains_key("FilterPolicy") {
        all.insert("FilterPolicyScope".to_owned(), "MessageAttributes".to_owned());
    }
    all.extend(subscribed.attributes.clone());
    Ok(format!("<Attributes>{}</Attributes>", entries(&all)))
}

pub fn set(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let arn = form.require("SubscriptionArn")?.to_owned();
    let attribute = form.require("AttributeName")?.to_owned();
    let value = form.get("AttributeValue").unwrap_or_default().to_owned();
    let existing = store.state.subscriptions.get(&arn).ok_or_else(no_subscription)?;
    let mut subscription = existing.subscribed.clone();
    if value.is_empty() || (attribute == "FilterPolicy" && value == "{}") {
        subscription.attributes.remove(&attribute);
    } else {
        subscription.attributes.insert(attribute, value);
    }
    check(&subscription)?;
    store.commit(vec![Record::Subscription { arn, subscription }], now)?;
    Ok(String::new())
}

/// The subscriptions to the wanted topics: those of queues, then those of functions.
fn members(store: &Store, wanted: impl Fn(&str) -> bool) -> String {
    let member = |arn: &str, protocol: &str, endpoint: &str, topic: &str| {
        let content = [
            element("SubscriptionArn", arn),
            element("Owner", &store.place.account),
            element("Protocol", protocol),
            element("Endpoint", endpoint),
            element("TopicArn", &store.place.topic(topic)),
        ];
        format!("<member>{}</member>", content.concat())
    };
    let mut all = String::new();
    for (arn, Subscription { subscribed, .. }) in &store.state.subscriptions {
        if wanted(&subscribed.topic) {
            all += &member(arn, "sqs", &store.place.queue(&subscribed.queue), &subscribed.topic);
        }
    }
    for Function { subscription, .. } in store.state.functions.values() {
        let (topic, function) = (&subscription.topic, &subscription.function);
        if wanted(topic) {
            let arn = store.place.function_subscription(topic, function);
            all += &member(&arn, "lambda", &store.place.function(function), topic);
        }
    }
    format!("<Subscriptions>{all}</Subscriptions>")
}

fn no_subscription() -> Refusal {
    Refusal::new("NotFound", "Subscription does not exist")
}
