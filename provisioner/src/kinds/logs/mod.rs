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
    reads: Some(|scope| vec![GROUPS.arn(scope, "logs"), VENDED_GROUPS.arn(scope, "logs")]),
    writes: &[
        Writes::new(Actions::EveryBut(DELIVERIES), &[GROUPS, VENDED_GROUPS], Bound::Name),
        Writes::new(
            Actions::These(DELIVERIES),
            &[On::Everything],
            Bound::Nothing {
                because: "API Gateway sets up the delivery of an access log in our name, and AWS draws its id",
            },
        ),
    ],
    // The ARNs of log streams begin with the ARN of their group.
    for_roles: Some(|scope| vec![scope.arn("logs", &format!("log-group:/{}/*:*", scope.prefix()))]),
    on_everything: &[
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
    ],
    dependent: &[
        Dependent::on("logs:CreateLogDelivery", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:DeleteLogDelivery", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:DescribeResourcePolicies", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:GetLogDelivery", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:ListLogDeliveries", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:PutResourcePolicy", LOGS_OF_AN_API, "cloudwatchlogs"),
        Dependent::on("logs:TagResource", "CreateLogGroup with tags", "cloudwatchlogs"),
        Dependent::on("logs:UpdateLogDelivery", LOGS_OF_AN_API, "cloudwatchlogs"),
    ],
    types: &[],
    section,
    only_ready: "`logs` shows the lines",
};

/// The beginning of the names of groups that services of AWS write to. CloudWatch Logs lets a service in by one entry in
/// a policy of the account, which counts only so many characters, and this beginning needs only one.
pub const VENDED: &str = "/aws/vendedlogs/";

/// The writes by which API Gateway has the access log of an API delivered.
const DELIVERIES: &[&str] =
    &["logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:PutResourcePolicy", "logs:UpdateLogDelivery"];

const LOGS_OF_AN_API: &str = "CreateStage and UpdateStage with an access log, and DeleteApi";

const VENDED_GROUPS: On = On::NamedBy(|scope, _| scope.arn("logs", &format!("log-group:{VENDED}{}/*", scope.prefix())));

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
