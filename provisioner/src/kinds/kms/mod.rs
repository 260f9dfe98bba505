//! AWS KMS.

mod key;
mod maker;

use aws_sdk_kms::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

pub use key::{Key, KeyOutput, KeySpec, KeyState, key_arn};

pub static SERVICE: Service = Service {
    name: "kms",
    prefix: "kms",
    signs_as: "kms",
    tags: Some(TagCalls {
        put_action: "kms:TagResource",
        remove_action: "kms:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("kms", Calls::All, 50.0, 15.0)],
    reads: None,
    writes: &[
        // AWS draws the id of a key.
        Writes::new(
            Actions::EveryBut(&["kms:CreateGrant", "kms:CreateKey"]),
            &[On::Type("key/*"), On::Elsewhere("alias/none")],
            Bound::Tag,
        ),
        Writes {
            actions: Actions::These(&["kms:CreateGrant"]),
            on: &[On::Type("key/*")],
            bound: Bound::Tag,
            only_if: &[("Bool", "kms:GrantIsForAWSResource", &["true"])],
        },
        Writes::new(Actions::These(&["kms:CreateKey"]), &[On::Everything], Bound::NewTag),
        Writes::new(
            Actions::These(&["kms:TagResource"]),
            &[On::Type("key/*")],
            Bound::Adopted { because: "CreateKey with tags asks for it before the key has any" },
        ),
        Writes::new(
            Actions::These(&["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]),
            &[On::NamedBy(|scope, _| scope.arn("kms", &key::alias(scope))), On::Elsewhere("key/none")],
            Bound::Name,
        ),
    ],
    for_roles: None,
    on_everything: &["kms:ListKeys"],
    dependent: &[
        Dependent::on(
            "kms:CreateGrant",
            "services that keep data under the key: RDS, ElastiCache, OpenSearch, ECR, Lambda",
            "kms",
        ),
        Dependent::on("kms:Decrypt", "Secrets Manager and Lambda read what is under the key, for us", "kms"),
        Dependent::on("kms:Encrypt", "CreateFunction with a key for its environment", "kms"),
        Dependent::on("kms:GenerateDataKey", "CreateSecret and PutSecretValue under the key", "kms"),
        Dependent::on("kms:RetireGrant", "DeleteRepository gives back the grant of its key", "kms"),
        Dependent::on("kms:TagResource", "CreateKey with tags", "kms"),
    ],
    types: &[],
    section,
    only_ready: "a key can be used or not",
};

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "key" => whole("stack"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().tag_key(key).tag_value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.kms.tag_resource().key_id(arn).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.kms.untag_resource().key_id(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
