//! AWS Secrets Manager.

pub mod existing;
mod secret;

use aws_sdk_secretsmanager::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below};

pub use existing::AnySecret;
pub use secret::{Form, Secret, SecretOutput, SecretSpec, SecretState, member};

pub static SERVICE: Service = Service {
    name: "secretsmanager",
    prefix: "secretsmanager",
    signs_as: "secretsmanager",
    tags: Some(TagCalls {
        put_action: "secretsmanager:TagResource",
        remove_action: "secretsmanager:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("secretsmanager", Calls::All, 50.0, 40.0)],
    // The secrets of others that the stack file names are in a statement of their own.
    reads: Some(|scope| vec![On::Named("secret:").arn(scope, "secretsmanager")]),
    writes: &[Writes::new(Actions::Every, &[On::Named("secret:")], Bound::Name)],
    for_roles: None,
    on_everything: &["secretsmanager:ListSecrets"],
    dependent: &[Dependent::on("secretsmanager:TagResource", "CreateSecret with tags", "secretsmanager")],
    types: &[],
    section,
    only_ready: "nothing of a secret is shown",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match (resource, name.rsplit_once('-')) {
        ("secret", Some((of, "master" | "app"))) => below("databases", of),
        ("secret", Some((of, "value"))) => below("secrets", of),
        ("secret", Some((of, "token"))) => below("caches", of),
        ("secret", _) => below("caches", name),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.secrets.tag_resource().secret_id(arn).set_tags(Some(tag_list(tags))).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.secrets.untag_resource().secret_id(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
