//! Amazon SNS.

mod subscription;
mod topic;

use aws_sdk_sns::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub use subscription::{Endpoint, Subscription, SubscriptionSpec, SubscriptionState};
pub use topic::{Topic, TopicOutput, TopicSpec, TopicState, topic_name};

pub static SERVICE: Service = Service {
    name: "sns",
    prefix: "sns",
    signs_as: "sns",
    tags: Some(TagCalls {
        put_action: "sns:TagResource",
        remove_action: "sns:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("sns", Calls::All, 100.0, 30.0)],
    reads: None,
    writes: &[
        Writes::new(Actions::EveryBut(SUBSCRIPTIONS), &[On::Named("")], Bound::Name),
        Writes::new(
            Actions::These(SUBSCRIPTIONS),
            &[On::Everything],
            Bound::Nothing { because: "IAM knows no resource of a subscription, and no tag" },
        ),
    ],
    for_roles: None,
    on_everything: &["sns:GetSubscriptionAttributes"],
    dependent: &[Dependent::on("sns:TagResource", "CreateTopic with tags", "sns")],
    types: &[],
    section,
    only_ready: "what a topic and a subscription do shows at the queue behind them",
};

/// The writes to a subscription.
const SUBSCRIPTIONS: &[&str] = &["sns:SetSubscriptionAttributes", "sns:Unsubscribe"];

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "topic" | "subscription" if name == "alerts" || name.starts_with("alerts-to-") => whole("alerts"),
        "topic" => below("topics", name),
        "subscription" => match name.split_once("-to-") {
            Some((topic, address)) if address.contains('@') => below("topics", topic),
            Some((_, queue)) => below("queues", queue),
            None => whole("queues"),
        },
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.sns.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.sns.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
