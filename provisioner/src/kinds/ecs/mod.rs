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

use crate::aws::Cx;

pub(crate) fn tags(cx: &Cx, name: &str) -> Vec<Tag> {
    cx.scope.tags(name).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()))
}
