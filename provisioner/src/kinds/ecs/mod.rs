//! Amazon ECS.

mod cluster;
mod service;
mod task_definition;

pub use cluster::{Cluster, ClusterOutput, ClusterSpec};
pub use service::{Behind, Service, ServiceOutput, ServiceSpec, WayOut};
pub use task_definition::{FromSecret, Image, TaskDefinition, TaskDefinitionOutput, TaskDefinitionSpec};
