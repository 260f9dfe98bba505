//! Amazon RDS.

mod instance;
mod parameter_group;
mod subnet_group;

use aws_sdk_rds::types::Tag;

use crate::aws::{Cx, Error, Tags};

pub use instance::{Instance, InstanceOutput, InstanceReady, InstanceRole, InstanceSpec, InstanceState};
pub use parameter_group::{ParameterGroup, ParameterGroupOutput, ParameterGroupSpec, ParameterGroupState};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec, SubnetGroupState};

/// The tags of a group. One that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    match cx.rds.list_tags_for_resource().resource_name(arn).send().await.map_err(Error::from) {
        Ok(answer) => {
            let tags = answer.tag_list.unwrap_or_default().into_iter();
            Ok(tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect())
        }
        Err(error) if error.code.contains("NotFound") => Ok(Tags::new()),
        Err(error) => Err(error),
    }
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)))
}
