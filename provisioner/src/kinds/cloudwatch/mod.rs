//! Amazon CloudWatch.

mod alarm;
mod dashboard;

use aws_sdk_cloudwatch::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

pub use alarm::{Alarm, AlarmSpec, AlarmState, Measured};
pub use dashboard::{Dashboard, DashboardSpec, DashboardState, Graph, MAIN};

pub static SERVICE: Service = Service {
    name: "cloudwatch",
    prefix: "cloudwatch",
    signs_as: "monitoring",
    tags: Some(TagCalls {
        put_action: "cloudwatch:TagResource",
        remove_action: "cloudwatch:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("monitoring", Calls::All, 15.0, 3.0)],
    // A dashboard has no region.
    reads: Some(|scope| vec![scope.arn("cloudwatch", "*"), scope.global_arn("cloudwatch", "dashboard/*")]),
    writes: &[
        Writes::new(
            Actions::EveryBut(&["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"]),
            &[On::Named("alarm:")],
            Bound::Name,
        ),
        Writes::new(
            Actions::These(DASHBOARDS),
            &[On::NamedBy(|scope, _| {
                scope.global_arn("cloudwatch", &format!("dashboard/{}", dashboard::dashboard_name(scope, MAIN)))
            })],
            Bound::Name,
        ),
    ],
    for_roles: None,
    on_everything: &["cloudwatch:GetMetricData"],
    dependent: &[Dependent::on("cloudwatch:TagResource", "PutMetricAlarm with tags", "cloudwatch")],
    types: &[],
    section,
    only_ready: "an alarm tells its topic, and a dashboard shows itself",
};

/// The writes to a dashboard. IAM knows no tag of it, so its name has to be whole.
const DASHBOARDS: &[&str] = &["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard", "cloudwatch:TagResource"];

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "alarm" | "dashboard" => whole("alerts"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.cloudwatch.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.cloudwatch.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
