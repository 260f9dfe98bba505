//! Application Auto Scaling.

mod policy;
mod target;

use crate::aws::limits::Rate;
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, Writes, below};

pub use policy::{Policy, PolicyOutput, PolicySpec, PolicyState};
pub use target::{Target, TargetOutput, TargetSpec, TargetState};

pub static SERVICE: Service = Service {
    name: "autoscaling",
    prefix: "application-autoscaling",
    signs_as: "application-autoscaling",
    tags: None,
    rates: &[Rate::OTHER],
    reads: None,
    writes: &[
        Writes::new(Actions::Every, TARGETS, Bound::Tag),
        Writes::new(
            Actions::These(&["application-autoscaling:RegisterScalableTarget", "application-autoscaling:TagResource"]),
            TARGETS,
            Bound::Adopted { because: "one call makes a target and changes it, and a new target has no tag yet" },
        ),
    ],
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

/// AWS draws the id of a scalable target.
const TARGETS: &[On] = &[On::Type("scalable-target/*")];

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
