//! Application Auto Scaling.

mod policy;
mod target;

use crate::aws::limits::Rate;
use crate::kinds::service::{Dependent, On, Service, below};

pub use policy::{Policy, PolicyOutput, PolicySpec, PolicyState};
pub use target::{Target, TargetOutput, TargetSpec, TargetState};

pub static SERVICE: Service = Service {
    name: "autoscaling",
    prefix: "application-autoscaling",
    signs_as: "application-autoscaling",
    tags: None,
    rates: &[Rate::OTHER],
    reads: None,
    writes: &[On::Every { resource: "scalable-target/*", because: "AWS draws the id of a scalable target" }],
    for_roles: None,
    on_everything: &[
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
    ],
    dependent: &[Dependent::on(
        "application-autoscaling:TagResource",
        "RegisterScalableTarget with tags",
        "application-autoscaling",
    )],
    types: &[],
    section,
    only_ready: "the service that is scaled shows its tasks",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "target" | "policy" => below("services", name),
        _ => None,
    }
}

/// The error codes for things that do not exist.
const GONE: &[&str] = &["ObjectNotFoundException"];

/// The API takes at most this many ids or names at once.
const AT_ONCE: usize = 50;
