//! Amazon ECS.

mod cluster;
pub(crate) mod evidence;
mod rollout;
mod service;
mod task_definition;
mod wiring;

pub use cluster::{Cluster, ClusterOutput, ClusterSpec, ClusterState};
pub use service::{Service, ServiceOutput, ServiceSpec, ServiceState};
pub use task_definition::{
    FromSecret, Image, TaskDefinition, TaskDefinitionOutput, TaskDefinitionSpec, TaskDefinitionState,
};
pub use wiring::{Behind, WayOut};

use aws_sdk_ecs::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service as Record, TagCalls, Writes, below, whole};

pub static SERVICE: Record = Record {
    name: "ecs",
    prefix: "ecs",
    signs_as: "ecs",
    tags: Some(TagCalls {
        put_action: "ecs:TagResource",
        remove_action: "ecs:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[
        Rate::of("ecs definitions", Calls::Named(DEFINITIONS), 20.0, 1.0),
        Rate::of("ecs delete definitions", Calls::Named(&["DeleteTaskDefinitions"]), 5.0, 1.0),
        Rate::of("ecs read", Calls::Reads, 50.0, 20.0),
        Rate::of("ecs write", Calls::All, 50.0, 5.0),
    ],
    reads: None,
    writes: &[
        Writes::new(
            Actions::EveryBut(&["ecs:DeregisterTaskDefinition"]),
            &[On::Named("cluster/"), On::Named("service/"), On::Named("task/"), On::Named("task-definition/")],
            Bound::Name,
        ),
        Writes::new(
            Actions::These(&["ecs:DeregisterTaskDefinition"]),
            &[On::Everything],
            Bound::Nothing { because: "ECS takes no resource for it" },
        ),
    ],
    for_roles: None,
    on_everything: &[
        "ecs:DescribeTaskDefinition",
        "ecs:ListServices",
        "ecs:ListTaskDefinitionFamilies",
        "ecs:ListTaskDefinitions",
    ],
    dependent: &[Dependent::on(
        "ecs:TagResource",
        "CreateCluster, CreateService, RegisterTaskDefinition and RunTask with tags",
        "ecs",
    )],
    types: &[],
    section,
    only_ready: "the service shows its revision and its tasks",
};

const DEFINITIONS: &[&str] =
    &["RegisterTaskDefinition", "DeregisterTaskDefinition", "CreateCluster", "DeleteCluster", "UpdateCluster"];

fn section(resource: &str, name: &str) -> Option<String> {
    match resource {
        "cluster" => whole("services"),
        "task_definition" | "service" => below("services", name),
        _ => None,
    }
}

pub(crate) fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.ecs.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.ecs.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()))
}
