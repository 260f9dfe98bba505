//! Amazon EventBridge.

mod rule;

use aws_sdk_eventbridge::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below};

pub use rule::{Rule, RuleOutput, RuleSpec, RuleState, Target, rule_arn};

pub static SERVICE: Service = Service {
    name: "events",
    prefix: "events",
    signs_as: "events",
    tags: Some(TagCalls {
        put_action: "events:TagResource",
        remove_action: "events:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("events", Calls::All, 50.0, 50.0)],
    reads: None,
    writes: &[Writes::new(Actions::Every, &[On::Named("rule/")], Bound::Name)],
    for_roles: None,
    on_everything: &["events:ListRules"],
    dependent: &[Dependent::on("events:TagResource", "PutRule with tags", "eventbridge")],
    types: &[],
    section,
    only_ready: "what a rule starts shows at its function",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "rule" => below("functions", name),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.events.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.events.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
