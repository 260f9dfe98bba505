//! Amazon RDS.

mod instance;
mod parameter_group;
mod subnet_group;

use std::collections::HashMap;

use aws_sdk_rds::types::Tag;

use crate::aws::{Cx, Error};
use crate::kind::{Kind, Query};
use crate::scope::Scope;

pub use instance::{Instance, InstanceOutput, InstanceReady, InstanceRole, InstanceSpec};
pub use parameter_group::{ParameterGroup, ParameterGroupOutput, ParameterGroupSpec};
pub use subnet_group::{SubnetGroup, SubnetGroupOutput, SubnetGroupSpec};

/// Of everything that a list shows: what is wanted, each with its name in the stack, and what may be ours by its prefix.
fn candidates<K: Kind, T>(
    cx: &Cx,
    query: &Query<'_, K>,
    all: Vec<T>,
    name_of: fn(&T) -> Option<&str>,
    made_name: fn(&Scope, &str) -> String,
) -> Vec<(T, Option<String>)> {
    let prefix = format!("{}-", cx.scope.prefix()).to_lowercase();
    let wanted: HashMap<String, &String> =
        query.wanted.iter().map(|(name, _)| (made_name(&cx.scope, name), name)).collect();
    let named = all.into_iter().filter_map(|thing| {
        let name = name_of(&thing)?.to_lowercase();
        let wanted = wanted.get(&name).map(|name| (*name).clone());
        (wanted.is_some() || name.starts_with(&prefix)).then_some((thing, wanted))
    });
    named.collect()
}

/// The tags of a group. One that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Vec<Tag>, Error> {
    match cx.rds.list_tags_for_resource().resource_name(arn).send().await.map_err(Error::from) {
        Ok(answer) => Ok(answer.tag_list.unwrap_or_default()),
        Err(error) if error.code.contains("NotFound") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value()?)))
}
