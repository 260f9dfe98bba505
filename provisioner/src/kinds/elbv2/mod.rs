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

use crate::aws::{Cx, Error, Look, Tags};

/// What Elastic Load Balancing says of things that are not there.
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

/// `DescribeTags` takes this many ARNs (Elastic Load Balancing API reference).
const TAGGED_AT_ONCE: usize = 20;

fn tags(cx: &Cx, name: &str) -> Vec<Tag> {
    cx.scope.tags(name).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags of each, by its ARN; some are wanted, under these names. One that has gone meanwhile makes AWS refuse the whole
/// batch; then each is asked for by itself.
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

/// Whether all of them exist.
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
    // All of them exist; one that is not among the answers has none.
    for arn in arns {
        tags.entry(arn.clone()).or_default();
    }
    Ok(true)
}
