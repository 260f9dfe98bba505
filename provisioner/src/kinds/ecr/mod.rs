//! Amazon ECR.

mod image;
mod repository;

use aws_sdk_ecr::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

pub use image::{Image, ImageOutput, ImageSpec, ImageState};
pub use repository::{Repository, RepositoryOutput, RepositorySpec, RepositoryState};

pub static SERVICE: Service = Service {
    name: "ecr",
    prefix: "ecr",
    signs_as: "ecr",
    tags: Some(TagCalls {
        put_action: "ecr:TagResource",
        remove_action: "ecr:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("ecr", Calls::All, 20.0, 10.0)],
    reads: None,
    writes: &[Writes::new(Actions::Every, &[On::Named("repository/")], Bound::Name)],
    // The roles pull images from the account's repositories.
    for_roles: Some(|scope| vec![scope.arn("ecr", "repository/*")]),
    on_everything: &[],
    dependent: &[Dependent::on("ecr:TagResource", "CreateRepository with tags", "ecr")],
    types: &[],
    section,
    only_ready: "an image is there or not",
};

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "repository" | "image" => whole("services"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.ecr.tag_resource().resource_arn(arn).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.ecr.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
