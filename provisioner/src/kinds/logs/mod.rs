//! Amazon CloudWatch Logs.

mod log_group;
mod subscription_filter;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

pub use log_group::{LogGroup, LogGroupOutput, LogGroupSpec, LogGroupState};
pub use subscription_filter::{SubscriptionFilter, SubscriptionFilterSpec, SubscriptionFilterState};

pub static SERVICE: Service = Service {
    name: "logs",
    prefix: "logs",
    signs_as: "logs",
    tags: Some(TagCalls {
        put_action: "logs:TagResource",
        remove_action: "logs:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[
        Rate::of("logs groups", Calls::Named(&["CreateLogGroup", "DeleteLogGroup"]), 5.0, 5.0),
        Rate::of("logs", Calls::All, 10.0, 5.0),
    ],
    reads: Some(|scope| vec![GROUPS.arn(scope, "logs")]),
    writes: &[Writes::new(Actions::Every, &[GROUPS], Bound::Name)],
    // The ARNs of log streams begin with the ARN of their group.
    for_roles: Some(|scope| vec![scope.arn("logs", &format!("log-group:/{}/*:*", scope.prefix()))]),
    on_everything: &["logs:DescribeLogGroups"],
    dependent: &[Dependent::on("logs:TagResource", "CreateLogGroup with tags", "cloudwatchlogs")],
    types: &[],
    section,
    only_ready: "`logs` shows the lines",
};

/// The log groups of the stack, and their streams.
const GROUPS: On = On::NamedBy(|scope, _| scope.arn("logs", &format!("log-group:/{}/*", scope.prefix())));

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "log_group" => whole("stack"),
        "subscription_filter" => whole("logs"),
        _ => None,
    }
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.logs.tag_resource().resource_arn(arn).set_tags(Some(tags.into_iter().collect())).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.logs.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
