//! Topics and their attributes.

use std::collections::BTreeMap;

use super::form::Form;
use super::xml::{element, entries};
use super::{invalid, no_topic, topic};
use crate::messaging::arn;
use crate::messaging::config::Attributes;
use crate::messaging::record::{Definition, Record};
use crate::messaging::refusal::Refusal;
use crate::messaging::store::Store;

pub fn create(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let name = form.require("Name")?;
    let attributes = form.map("Attributes.entry");
    check(name, &attributes)?;
    let tags = form.map("Tags.member");
    let told = element("TopicArn", &store.place.topic(name));
    if let Some(topic) = store.state.topics.get(name) {
        let has = |(attribute, value): (&String, &String)| topic.definition.attributes.get(attribute) == Some(value);
        if !attributes.iter().all(has) {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        if !tags.is_empty() && tags != topic.definition.tags {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        return Ok(told);
    }
    let definition = Definition { attributes, tags, created: now, modified: now, declared: false };
    store.commit(vec![Record::Topic { name: name.to_owned(), definition }], now)?;
    Ok(told)
}

/// Checks what may be created, and declared.
pub fn check(name: &str, attributes: &Attributes) -> Result<(), Refusal> {
    if !arn::is_name(name, 256) {
        return Err(invalid("Topic Name"));
    }
    let fifo = attributes.get("FifoTopic").is_some_and(|value| value == "true");
    if fifo != arn::is_fifo(name) {
        return Err(invalid("Topic Name"));
    }
    if !fifo && attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true") {
        return Err(invalid("Attributes Reason: Content-based deduplication can only be set for FIFO topics"));
    }
    Ok(())
}

pub fn delete(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let name = topic(form.require("TopicArn")?)?.to_owned();
    // It is not an error to delete a topic that is not there.
    if store.state.topics.contains_key(&name) {
        store.commit(vec![Record::TopicGone { name }], now)?;
    }
    Ok(String::new())
}

pub fn list(store: &Store) -> String {
    let member = |name: &String| format!("<member>{}</member>", element("TopicArn", &store.place.topic(name)));
    let members: String = store.state.topics.keys().map(member).collect();
    format!("<Topics>{members}</Topics>")
}

pub fn get(store: &Store, form: &Form) -> Result<String, Refusal> {
    let arn = form.require("TopicArn")?;
    let name = topic(arn)?;
    let found = store.state.topics.get(name).ok_or_else(no_topic)?;
    let subscriptions = store.state.subscriptions.values();
    let functions = store.state.functions.values().filter(|function| function.subscription.topic == name).count();
    let confirmed = subscriptions.filter(|subscription| subscription.subscribed.topic == name).count() + functions;
    let mut all = BTreeMap::from([
        ("TopicArn".to_owned(), store.place.topic(name)),
        ("Owner".to_owned(), store.place.account.clone()),
        ("DisplayName".to_owned(), String::new()),
        ("Policy".to_owned(), default_policy(store, name)),
        ("SubscriptionsConfirmed".to_owned(), confirmed.to_string()),
        ("SubscriptionsPending".to_owned(), "0".to_owned()),
        ("SubscriptionsDeleted".to_owned(), "0".to_owned()),
    ]);
    if arn::is_fifo(name) {
        all.insert("ContentBasedDeduplication".to_owned(), "false".to_owned());
    }
    all.extend(found.definition.attributes.clone());
    Ok(format!("<Attributes>{}</Attributes>", entries(&all)))
}

pub fn set(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let attribute = form.require("AttributeName")?.to_owned();
    let value = form.get("AttributeValue").unwrap_or_default().to_owned();
    if attribute == "FifoTopic" {
        return Err(invalid("AttributeName"));
    }
    change(store, form.require("TopicArn")?, now, |definition| {
        definition.attributes.insert(attribute, value);
    })
}

pub fn tag(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let tags = form.map("Tags.member");
    change(store, form.require("ResourceArn")?, now, |definition| definition.tags.extend(tags))
}

pub fn untag(store: &mut Store, form: &Form, now: u64) -> Result<String, Refusal> {
    let keys = form.list("TagKeys.member");
    change(store, form.require("ResourceArn")?, now, |definition| {
        for key in keys.iter().filter_map(|key| key.get("")) {
            definition.tags.remove(key);
        }
    })
}

pub fn tags(store: &Store, form: &Form) -> Result<String, Refusal> {
    let found = store.state.topics.get(topic(form.require("ResourceArn")?)?).ok_or_else(no_resource)?;
    let member = |(key, value): (&String, &String)| {
        format!("<member>{}{}</member>", element("Key", key), element("Value", value))
    };
    let members: String = found.definition.tags.iter().map(member).collect();
    Ok(format!("<Tags>{members}</Tags>"))
}

fn change(store: &mut Store, arn: &str, now: u64, change: impl FnOnce(&mut Definition)) -> Result<String, Refusal> {
    let name = topic(arn)?.to_owned();
    let mut definition = store.state.topics.get(&name).ok_or_else(no_topic)?.definition.clone();
    change(&mut definition);
    check(&name, &definition.attributes)?;
    store.commit(vec![Record::Topic { name, definition }], now)?;
    Ok(String::new())
}

fn no_resource() -> Refusal {
    Refusal::new("ResourceNotFound", "Resource does not exist")
}

/// The policy that SNS answers if nobody has set one: the owner may do anything. Nothing here reads it.
fn default_policy(store: &Store, name: &str) -> String {
    let owner = serde_json::json!({ "StringEquals": { "AWS:SourceOwner": store.place.account } });
    serde_json::json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": { "AWS": "*" },
            "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": store.place.topic(name), "Condition": owner,
        }],
    })
    .to_string()
}
