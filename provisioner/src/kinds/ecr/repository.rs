//! `ecr.repository`: the repository that holds the image of the runtime.
//!
//! A repository is found by name. Repositories that nothing asks for any more are found by the tag index, and ECR
//! confirms each. Names have at most 256 characters, in lower case (ECR API reference, CreateRepository). All calls end
//! within a second. Encryption cannot be changed. The lifecycle policy counts images and does not look at their age,
//! because the image that runs may be old. The repository has no access policy. A policy that others have put there is
//! taken away; one `GetRepositoryPolicy` shows it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability, Repository as Answer,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tag_list;
use crate::aws::{Cx, Error, Look, Tags, collect, policy};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::kms::Key;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Repository;

#[derive(Serialize, Deserialize)]
pub struct RepositorySpec {
    pub kms_key: Ref<Key>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepositoryState {
    pub name: String,
    pub kms_key: Option<String>,
    pub tags_are_final: bool,
    pub scan_on_push: bool,
    pub lifecycle: Value,
    /// The statements of the repository's access policy, by `Sid`. A statement without a `Sid` is named by its place.
    pub statements: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepositoryOutput {
    pub arn: String,
    pub uri: String,
    pub name: String,
}

impl Kind for Repository {
    const FACTS: Facts = Facts {
        name: "ecr.repository",
        fields: &[
            Field::fixed("name"),
            Field::fixed("kms_key"),
            Field::wanted("tags_are_final"),
            Field::wanted("scan_on_push"),
            Field::wanted("lifecycle"),
            Field::beside("statements", "statement of its policy"),
        ],
        exists: &["RepositoryAlreadyExistsException"],
        retry: &[Retry::code("KmsException", 60), Retry::code("RepositoryNotFoundException", 30)],
        actions: &[
            "ecr:CreateRepository",
            "ecr:DeleteRepository",
            "ecr:DeleteRepositoryPolicy",
            "ecr:DescribeRepositories",
            "ecr:GetLifecyclePolicy",
            "ecr:GetRepositoryPolicy",
            "ecr:ListTagsForResource",
            "ecr:PutImageScanningConfiguration",
            "ecr:PutImageTagMutability",
            "ecr:PutLifecyclePolicy",
            "ecr:TagResource",
            "ecr:UntagResource",
            "kms:CreateGrant",
            "kms:DescribeKey",
            "kms:RetireGrant",
            "tag:GetResources",
        ],
        ..Facts::DEFAULT
    };

    type Spec = RepositorySpec;
    type State = RepositoryState;
    type Output = RepositoryOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &RepositorySpec, outputs: &Outputs) -> Result<RepositoryState, Missing> {
        Ok(RepositoryState {
            name: aws_name(scope, name),
            kms_key: Some(outputs.get(&spec.kms_key)?.arn),
            tags_are_final: true,
            scan_on_push: true,
            lifecycle: lifecycle(),
            statements: BTreeMap::new(),
        })
    }
}

impl OnAws for Repository {
    async fn read(cx: &Cx, query: &Query<'_, Repository>) -> Result<Vec<Live<Repository>>, Error> {
        let wanted = query.named(|name, _| aws_name(&cx.scope, name));
        let mut names: Vec<String> = wanted.keys().cloned().collect();
        let hints = query.look.tagged(cx, "ecr:repository").await;
        names.extend(hints.iter().filter_map(|arn| arn.split_once(":repository/")).map(|(_, name)| name.to_owned()));
        names.sort();
        names.dedup();
        collect(names, |name| one(cx, name, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &RepositoryState) -> Result<RepositoryOutput, Error> {
        let encryption = EncryptionConfiguration::builder().encryption_type(EncryptionType::Kms);
        let call = cx.ecr.create_repository().repository_name(&want.name);
        let call = call
            .encryption_configuration(encryption.set_kms_key(want.kms_key.clone()).build()?)
            .image_tag_mutability(mutability(want))
            .image_scanning_configuration(scanning(want));
        let made = call.set_tags(Some(tag_list(cx.scope.tags(name))?)).send().await?.repository;
        put_lifecycle(cx, want).await?;
        Ok(output(cx, &want.name, made.and_then(|made| made.repository_uri)))
    }

    async fn update(cx: &Cx, _: &Live<Repository>, want: &RepositoryState, changed: &Changed) -> Result<(), Error> {
        if changed.has("tags_are_final") {
            let call = cx.ecr.put_image_tag_mutability().repository_name(&want.name);
            call.image_tag_mutability(mutability(want)).send().await?;
        }
        if changed.has("scan_on_push") {
            let call = cx.ecr.put_image_scanning_configuration().repository_name(&want.name);
            call.image_scanning_configuration(scanning(want)).send().await?;
        }
        if changed.has("lifecycle") {
            put_lifecycle(cx, want).await?;
        }
        if changed.has("statements") {
            let call = cx.ecr.delete_repository_policy().repository_name(&want.name);
            Error::unless_gone(call.send().await, WITHOUT_POLICY)?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Repository>, _: LastWish) -> Result<(), Error> {
        let call = cx.ecr.delete_repository().repository_name(&live.output.name).force(true);
        Error::or_gone(call.send().await, GONE)
    }
}

const GONE: &[&str] = &["RepositoryNotFoundException"];
const WITHOUT_POLICY: &[&str] = &["RepositoryNotFoundException", "RepositoryPolicyNotFoundException"];

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 256)
}

fn output(cx: &Cx, name: &str, uri: Option<String>) -> RepositoryOutput {
    RepositoryOutput {
        arn: cx.scope.arn("ecr", &format!("repository/{name}")),
        uri: uri.unwrap_or_default(),
        name: name.to_owned(),
    }
}

fn lifecycle() -> Value {
    json!({"rules": [{
        "rulePriority": 1,
        "description": "The newest 30 images stay",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 30},
        "action": {"type": "expire"},
    }]})
}

fn mutability(want: &RepositoryState) -> ImageTagMutability {
    if want.tags_are_final { ImageTagMutability::Immutable } else { ImageTagMutability::Mutable }
}

fn scanning(want: &RepositoryState) -> ImageScanningConfiguration {
    ImageScanningConfiguration::builder().scan_on_push(want.scan_on_push).build()
}

async fn put_lifecycle(cx: &Cx, want: &RepositoryState) -> Result<(), Error> {
    let call = cx.ecr.put_lifecycle_policy().repository_name(&want.name);
    call.lifecycle_policy_text(want.lifecycle.to_string()).send().await?;
    Ok(())
}

/// The tags of a repository. A repository that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.ecr.list_tags_for_resource().resource_arn(arn).send().await, GONE)?;
    let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn one(
    cx: &Cx,
    name: String,
    wanted: &HashMap<String, &str>,
    look: &Look,
) -> Result<Option<Live<Repository>>, Error> {
    let arn = cx.scope.arn("ecr", &format!("repository/{name}"));
    let wanted = wanted.get(&name).copied();
    let (found, whose, lifecycle, policy) = tokio::join!(
        cx.ecr.describe_repositories().repository_names(&name).send(),
        look.whose(cx, &arn, wanted, tags(cx, &arn)),
        cx.ecr.get_lifecycle_policy().repository_name(&name).send(),
        cx.ecr.get_repository_policy().repository_name(&name).send(),
    );
    let found = Error::unless_gone(found, GONE)?.and_then(|answer| answer.repositories?.pop());
    let without = &["LifecyclePolicyNotFoundException", "RepositoryNotFoundException"];
    let lifecycle = Error::unless_gone(lifecycle, without)?.and_then(|answer| answer.lifecycle_policy_text);
    let policy = Error::unless_gone(policy, WITHOUT_POLICY)?.and_then(|answer| answer.policy_text);
    let Some(found) = found else {
        return Ok(None);
    };
    let Some((ours, owner)) = whose? else {
        return Ok(None);
    };
    let output = output(cx, &name, found.repository_uri.clone());
    let state = RepositoryState {
        statements: policy::statements(&policy::parse(&policy.unwrap_or_default())),
        ..state(&found, lifecycle.as_deref())
    };
    Ok(Some(Live::ready((ours, owner), output.arn.clone(), state, output)))
}

fn state(found: &Answer, lifecycle: Option<&str>) -> RepositoryState {
    let encryption = found.encryption_configuration();
    let lifecycle = lifecycle.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    RepositoryState {
        name: found.repository_name().unwrap_or_default().to_owned(),
        kms_key: encryption.and_then(EncryptionConfiguration::kms_key).map(str::to_owned),
        tags_are_final: found.image_tag_mutability() == Some(&ImageTagMutability::Immutable),
        scan_on_push: found.image_scanning_configuration().is_some_and(ImageScanningConfiguration::scan_on_push),
        lifecycle: lifecycle.unwrap_or_else(|| json!({})),
        statements: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeRepositories in botocore's ecr examples, with a lifecycle policy that somebody set by
    /// hand.
    #[test]
    fn a_recorded_answer_reads_as_it_is() {
        let answer = Answer::builder()
            .registry_id("012345678910")
            .repository_arn("arn:aws:ecr:us-west-2:012345678910:repository/ubuntu")
            .repository_name("ubuntu")
            .build();
        let policy = r#"{"rules":[{"rulePriority":1,"description":"Expire images older than 14 days",
            "selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14},
            "action":{"type":"expire"}}]}"#;
        let state = state(&answer, Some(policy));
        assert_eq!((state.tags_are_final, state.scan_on_push, state.kms_key), (false, false, None));
        assert_eq!(state.lifecycle["rules"][0]["selection"]["countNumber"], 14);
    }
}
