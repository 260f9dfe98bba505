//! SNS, in the query protocol.

pub mod delivery;
mod envelope;
pub mod filter;
mod form;
mod publish;
mod subscriptions;
mod topics;
mod xml;

pub use delivery::invalid;
pub use form::Form;
pub use subscriptions::check as check_subscription;
pub use topics::check as check_topic;

use super::arn;
use super::refusal::{INTERNAL, Refusal};
use super::store::{Store, new_id};
use xml::element;

/// Answers a request: the status and the document.
pub fn answer(store: &mut Store, form: &Form, now: u64) -> (u16, String) {
    let action = form.get("Action").unwrap_or_default();
    match act(store, action, form, now) {
        Ok(result) => {
            let result = format!("<{action}Result>{result}</{action}Result>");
            (200, document(&format!("{action}Response"), &result))
        }
        Err(refusal) => (status(refusal.code), refuse(refusal.code, &refusal.message)),
    }
}

pub fn refuse(code: &str, message: &str) -> String {
    let fault = if code == INTERNAL { "Receiver" } else { "Sender" };
    let error = element("Type", fault) + &element("Code", code) + &element("Message", message);
    document("ErrorResponse", &format!("<Error>{error}</Error>"))
}

fn act(store: &mut Store, action: &str, form: &Form, now: u64) -> Result<String, Refusal> {
    match action {
        "Publish" => publish::publish(store, form, now),
        "PublishBatch" => publish::publish_batch(store, form, now),
        "CreateTopic" => topics::create(store, form, now),
        "DeleteTopic" => topics::delete(store, form, now),
        "ListTopics" => Ok(topics::list(store)),
        "GetTopicAttributes" => topics::get(store, form),
        "SetTopicAttributes" => topics::set(store, form, now),
        "TagResource" => topics::tag(store, form, now),
        "UntagResource" => topics::untag(store, form, now),
        "ListTagsForResource" => topics::tags(store, form),
        "Subscribe" => subscriptions::subscribe(store, form, now),
        "Unsubscribe" => subscriptions::unsubscribe(store, form, now),
        "ListSubscriptions" => Ok(subscriptions::list(store)),
        "ListSubscriptionsByTopic" => subscriptions::list_by_topic(store, form),
        "GetSubscriptionAttributes" => subscriptions::get(store, form),
        "SetSubscriptionAttributes" => subscriptions::set(store, form, now),
        _ => Err(Refusal::new("InvalidAction", format!("The action {action} is not valid for this web service."))),
    }
}

/// The name of a topic in an ARN.
fn topic(arn: &str) -> Result<&str, Refusal> {
    arn::topic_name(arn).ok_or_else(|| invalid("TopicArn"))
}

fn no_topic() -> Refusal {
    Refusal::new("NotFound", "Topic does not exist")
}

fn status(code: &str) -> u16 {
    match code {
        INTERNAL => 500,
        "NotFound" | "ResourceNotFound" => 404,
        _ => 400,
    }
}

fn document(name: &str, content: &str) -> String {
    let id = element("RequestId", &new_id());
    let metadata = if name == "ErrorResponse" { id } else { format!("<ResponseMetadata>{id}</ResponseMetadata>") };
    format!("<{name} xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">{content}{metadata}</{name}>")
}
