//! Elastic Load Balancing.

mod listener;
mod load_balancer;
mod rule;
mod target_group;

pub use listener::{Does, Listener, ListenerOutput, ListenerSpec, ListenerState, Rest};
pub use load_balancer::{LoadBalancer, LoadBalancerOutput, LoadBalancerSpec, LoadBalancerState};
pub use rule::{Rule, RuleOutput, RuleSpec, RuleState};
pub use target_group::{TargetGroup, TargetGroupOutput, TargetGroupSpec, TargetGroupState};

use std::collections::HashMap;

use aws_sdk_elasticloadbalancingv2::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error, Look, Tags};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub static SERVICE: Service = Service {
    name: "elbv2",
    prefix: "elasticloadbalancing",
    signs_as: "elasticloadbalancing",
    tags: Some(TagCalls {
        put_action: "elasticloadbalancing:AddTags",
        remove_action: "elasticloadbalancing:RemoveTags",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[
        Rate::of("elb create", Calls::Named(&["CreateLoadBalancer", "SetSubnets"]), 10.0, 0.2),
        Rate::of("elb read", Calls::Reads, 40.0, 10.0),
        Rate::of("elb write", Calls::All, 20.0, 3.0),
    ],
    reads: None,
    writes: &[Writes::new(
        Actions::Every,
        &[
            On::Named("listener/*/"),
            On::Named("listener-rule/*/"),
            On::Named("loadbalancer/*/"),
            On::Named("targetgroup/"),
        ],
        Bound::Name,
    )],
    for_roles: None,
    on_everything: &[
        "elasticloadbalancing:DescribeListenerCertificates",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
    ],
    dependent: &[Dependent::on("elasticloadbalancing:AddTags", "every Create with tags", "elasticloadbalancing")],
    types: &[],
    section,
    only_ready: "the service behind it shows its healthy targets",
};

/// The error codes of Elastic Load Balancing for things that do not exist.
const GONE: &[&str] = &[
    "ListenerNotFound",
    "ListenerNotFoundException",
    "LoadBalancerNotFound",
    "LoadBalancerNotFoundException",
    "RuleNotFound",
    "RuleNotFoundException",
    "TargetGroupNotFound",
    "TargetGroupNotFoundException",
];

/// `DescribeTags` takes at most this many ARNs (Elastic Load Balancing API reference).
const TAGGED_AT_ONCE: usize = 20;

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "load_balancer" | "listener" => whole("services"),
        "target_group" | "rule" => below("services", name),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.elbv2.add_tags().resource_arns(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.elbv2.remove_tags().resource_arns(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}

/// The tags of each resource, by its ARN. The wanted ones come with their names. A resource that has gone meanwhile
/// makes AWS refuse the whole batch. Then each resource is asked for by itself.
async fn tags_of<'a>(
    cx: &Cx,
    look: &Look,
    arns: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<HashMap<String, Tags>, Error> {
    let (mut tags, mut unknown) = (HashMap::new(), Vec::new());
    for (arn, wanted) in arns {
        match look.known(cx, arn, wanted).await {
            Some(known) => {
                tags.insert(arn.to_owned(), known);
            }
            None => unknown.push(arn.to_owned()),
        }
    }
    for batch in unknown.chunks(TAGGED_AT_ONCE) {
        if tags_of_some(cx, batch, &mut tags).await? {
            continue;
        }
        for arn in batch {
            tags_of_some(cx, std::slice::from_ref(arn), &mut tags).await?;
        }
    }
    Ok(tags)
}

/// Adds the tags of these resources. The answer is whether all of them exist.
async fn tags_of_some(cx: &Cx, arns: &[String], tags: &mut HashMap<String, Tags>) -> Result<bool, Error> {
    let call = cx.elbv2.describe_tags().set_resource_arns(Some(arns.to_vec()));
    let Some(answer) = Error::unless_gone(call.send().await, GONE)? else {
        return Ok(false);
    };
    for found in answer.tag_descriptions.unwrap_or_default() {
        let its = found.tags.unwrap_or_default().into_iter();
        let its = its.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect();
        tags.insert(found.resource_arn.unwrap_or_default(), its);
    }
    // All of them exist, so a resource that is not in the answer has no tags.
    for arn in arns {
        tags.entry(arn.clone()).or_default();
    }
    Ok(true)
}
