//! `kms.key`: the stack's own key, which encrypts all data at rest.
//!
//! Keys have no names, and the create call takes no token. A key is found by its alias `alias/<stack>-<env>` (256
//! characters, KMS API reference, CreateAlias). If there is no alias, because a run was cut off between the two calls,
//! the key is found by its tag among all keys of the account. All calls take about a second. A new alias is seen
//! everywhere within five minutes (CreateAlias), and until then the tag finds the key. A key that is scheduled for
//! deletion counts as absent: nothing can use it, and a new one is made.
//!
//! CloudWatch Logs, CloudWatch alarms and SNS use the key in their own name, so the policy names them. RDS,
//! ElastiCache, Secrets Manager, OpenSearch and Lambda use it by grants and by the caller's IAM permissions, which the
//! account's own statement allows (KMS developer guide, "Default key policy").
//!
//! The rights of `up` are bound to the tag of the key, and KMS counts a tag up to five minutes late. So the policy of a
//! new key gives the user or the role that makes the key what `up` does with it. That is chosen once: a colleague does
//! not change it, and a plan shows nothing.

use aws_sdk_kms::types::{KeyMetadata, KeyState as Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::maker::{with_maker, without_maker};
use super::tag_list;
use crate::aws::{Cx, Error, Look, Proof, Tags, each, policy, principal};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Status};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Key;

#[derive(Serialize, Deserialize)]
pub struct KeySpec {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyState {
    pub alias: Option<String>,
    pub enabled: bool,
    /// Whether AWS makes new key material every year. It keeps the old material for data that was encrypted with it.
    pub rotation: bool,
    pub policy: Value,
    /// The user or the role that made the key, if the policy still names it.
    pub maker: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeyOutput {
    pub arn: String,
    pub id: String,
}

/// The shortest time until a deletion that AWS allows.
const DAYS_UNTIL_DELETION: i32 = 7;
const GONE: &[&str] = &["NotFoundException"];

impl Kind for Key {
    const FACTS: Facts = Facts {
        name: "kms.key",
        fields: &[
            Field::wanted("alias"),
            Field::wanted("enabled"),
            Field::wanted("rotation"),
            Field::wanted("policy"),
            Field::chosen("maker"),
        ],
        seconds: Seconds { create: 2, update: 2, delete: 2 },
        unnamed: true,
        retry: &[
            // A new key is not seen everywhere at once.
            Retry::code("NotFoundException", 60),
            Retry::code("DependencyTimeoutException", 60),
            Retry::code("KMSInternalException", 60),
            Retry::saying("KMSInvalidStateException", "creating", 60),
        ],
        actions: &[
            "kms:CreateAlias",
            "kms:CreateKey",
            "kms:DeleteAlias",
            "kms:DescribeKey",
            "kms:EnableKey",
            "kms:EnableKeyRotation",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:ListKeys",
            "kms:ListResourceTags",
            "kms:PutKeyPolicy",
            "kms:ScheduleKeyDeletion",
            "kms:TagResource",
            "kms:UntagResource",
            "kms:UpdateAlias",
        ],
        takes_along: "the way to read what is encrypted under it, once AWS's waiting period is over",
        ..Facts::DEFAULT
    };

    type Spec = KeySpec;
    type State = KeyState;
    type Output = KeyOutput;
    type Ready = ();

    fn want(scope: &Scope, _: &str, _: &KeySpec, _: &Outputs) -> Result<KeyState, Missing> {
        let policy = key_policy(scope);
        Ok(KeyState { alias: Some(alias(scope)), enabled: true, rotation: true, policy, maker: None })
    }
}

impl OnAws for Key {
    async fn read(cx: &Cx, query: &Query<'_, Key>) -> Result<Vec<Live<Key>>, Error> {
        let wanted = query.wanted.first().map(|(name, _)| name.as_str());
        let alias = alias(&cx.scope);
        let known = match describe(cx, &alias).await? {
            Some(key) if is_alive(&key) => one(cx, key, Some(alias), wanted, query.look).await?,
            _ => None,
        };
        let found = match known {
            Some(key) => Some(key),
            None => match tagged(cx, query.look).await? {
                Some(key) => one(cx, key, None, wanted, query.look).await?,
                None => None,
            },
        };
        Ok(found.into_iter().collect())
    }

    async fn create(cx: &Cx, name: &str, want: &KeyState) -> Result<KeyOutput, Error> {
        let caller = cx.sts.get_caller_identity().send().await?;
        let maker = match principal::behind(cx, caller.arn().unwrap_or_default()).await {
            // Without the path of the role the key is made all the same, and KMS has to count the tags first.
            Err(error) if error.is_denied() => None,
            maker => maker?,
        };
        let policy = with_maker(&want.policy, maker.as_deref());
        let call = cx.kms_once.create_key().policy(policy.to_string());
        let call = call.description(format!("Everything of {} that rests", cx.scope.prefix()));
        let call = call.set_tags(Some(tag_list(cx.scope.tags(name))?));
        let made = call.send().await?.key_metadata.ok_or_else(|| Error::ours("KMS made a key without an id"))?;
        cx.new_key.is_made();
        // If a later call fails, the next look finds the key by its tag and repairs it. The key may be unseen for a
        // moment, so the engine has to look more than once before it believes that there is none.
        let rest = async {
            set_alias(cx, &alias(&cx.scope), made.key_id()).await?;
            cx.kms.enable_key_rotation().key_id(made.key_id()).send().await?;
            Ok(())
        };
        rest.await.map_err(|error: Error| Error {
            // The key is there already, so a refusal is no reason to make another one.
            ambiguous: error.ambiguous || error.is_denied() || error.worth_retrying(&Key::FACTS).is_some(),
            ..error
        })?;
        Ok(output(&made))
    }

    async fn update(cx: &Cx, live: &Live<Key>, want: &KeyState, changed: &Changed) -> Result<(), Error> {
        let id = &live.output.id;
        // While the key is disabled, nothing else in it can be changed.
        if changed.has("enabled") {
            cx.kms.enable_key().key_id(id).send().await?;
        }
        if changed.has("policy") {
            // KMS shows a maker that is gone by its id, and takes the id from nobody.
            let maker = live.state.maker.as_deref().filter(|maker| maker.starts_with("arn:"));
            let policy = with_maker(&want.policy, maker);
            cx.kms.put_key_policy().key_id(id).policy(policy.to_string()).send().await?;
        }
        if let (true, Some(alias)) = (changed.has("alias"), &want.alias) {
            set_alias(cx, alias, id).await?;
        }
        if changed.has("rotation") {
            cx.kms.enable_key_rotation().key_id(id).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Key>, _: LastWish) -> Result<(), Error> {
        if let Some(alias) = &live.state.alias {
            Error::or_gone(cx.kms.delete_alias().alias_name(alias).send().await, GONE)?;
        }
        let call = cx.kms.schedule_key_deletion().key_id(&live.output.id).pending_window_in_days(DAYS_UNTIL_DELETION);
        match call.send().await.map_err(Error::from) {
            Err(error) if !error.is(GONE) && !error.says("pending deletion") => Err(error),
            _ => Ok(()),
        }
    }
}

/// The ARN of a key that AWS may show as an ARN or as a bare id. An alias stays an alias.
pub fn key_arn(scope: &Scope, shown: &str) -> String {
    match shown {
        "" => String::new(),
        id if id.starts_with("arn:") || id.starts_with("alias/") || id.starts_with('(') => id.to_owned(),
        id => scope.arn("kms", &format!("key/{id}")),
    }
}

pub(super) fn alias(scope: &Scope) -> String {
    format!("alias/{}", scope.prefix())
}

fn key_policy(scope: &Scope) -> Value {
    let log_groups = scope.arn("logs", "*");
    policy::normal(&json!({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "Account", "Effect": "Allow", "Principal": {"AWS": scope.global_arn("iam", "root")},
            "Action": "kms:*", "Resource": "*",
        },
        {
            "Sid": "Logs", "Effect": "Allow",
            "Principal": {"Service": scope.regional("logs")},
            "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        },
        {
            "Sid": "AlarmsAndTopics", "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "sns.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": scope.account}},
        },
    ]}))
}

async fn set_alias(cx: &Cx, alias: &str, key: &str) -> Result<(), Error> {
    match cx.kms.create_alias().alias_name(alias).target_key_id(key).send().await.map_err(Error::from) {
        // The alias is left from a key that is on its way out, or the lag hid it.
        Err(error) if error.is(&["AlreadyExistsException"]) => {
            cx.kms.update_alias().alias_name(alias).target_key_id(key).send().await?;
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

async fn describe(cx: &Cx, key: &str) -> Result<Option<KeyMetadata>, Error> {
    let answer = Error::unless_gone(cx.kms.describe_key().key_id(key).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.key_metadata))
}

fn is_alive(key: &KeyMetadata) -> bool {
    !matches!(key.key_state(), Some(Phase::PendingDeletion | Phase::PendingReplicaDeletion))
}

/// The oldest key with this stack's tag, if there is one. Before anything is changed, this reads the tags of every key
/// of the account that we may see.
async fn tagged(cx: &Cx, look: &Look) -> Result<Option<KeyMetadata>, Error> {
    let ids = match look.proof {
        Proof::Index => look.tagged(cx, "kms:key").await,
        Proof::Service => all(cx).await?,
    };
    let mut ours = Vec::new();
    for found in each(ids, async |id| ours_by_tag(cx, &id).await.map(|ours| ours.then_some(id))).await {
        ours.extend(found?);
    }
    let mut alive = Vec::new();
    for key in each(ours, async |id| describe(cx, &id).await).await {
        alive.extend(key?.filter(is_alive));
    }
    alive.sort_by_key(|key| (key.creation_date().map(|date| date.secs()), key.key_id().to_owned()));
    Ok(alive.into_iter().next())
}

async fn all(cx: &Cx) -> Result<Vec<String>, Error> {
    let keys = cx.kms.list_keys().into_paginator().items().send().try_collect().await?;
    Ok(keys.into_iter().filter_map(|key| key.key_id).collect())
}

async fn ours_by_tag(cx: &Cx, id: &str) -> Result<bool, Error> {
    Ok(cx.scope.whose(&tags(cx, id).await?, None).is_some())
}

/// The tags of a key. If the key's policy keeps us out, it is not ours and its tags count as none.
async fn tags(cx: &Cx, id: &str) -> Result<Tags, Error> {
    match cx.kms.list_resource_tags().key_id(id).send().await.map_err(Error::from) {
        Ok(answer) => Ok(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect()),
        Err(error) if error.is(GONE) || error.is_denied() => Ok(Tags::new()),
        Err(error) => Err(error),
    }
}

async fn one(
    cx: &Cx,
    key: KeyMetadata,
    alias: Option<String>,
    wanted: Option<&str>,
    look: &Look,
) -> Result<Option<Live<Key>>, Error> {
    let id = key.key_id();
    let arn = key.arn().unwrap_or(id);
    let policy = cx.kms.get_key_policy().key_id(id).policy_name("default").send();
    let rotation = cx.kms.get_key_rotation_status().key_id(id).send();
    let (whose, policy, rotation) = tokio::join!(look.whose(cx, arn, wanted, tags(cx, id)), policy, rotation);
    let Some((name, owner)) = whose? else {
        return Ok(None);
    };
    let (policy, rotation) = match (policy.map_err(Error::from), rotation.map_err(Error::from)) {
        (Ok(policy), Ok(rotation)) => (policy.policy.unwrap_or_default(), rotation.key_rotation_enabled),
        // About somebody else's key we need to know nothing more.
        _ if owner == Owner::Foreign => (String::new(), false),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    Ok(Some(Live {
        status: status(&key),
        ..Live::ready((name, owner), arn.to_owned(), state(&cx.scope, &key, alias, &policy, rotation), output(&key))
    }))
}

fn state(scope: &Scope, key: &KeyMetadata, alias: Option<String>, policy: &str, rotation: bool) -> KeyState {
    let enabled = key.key_state() != Some(&Phase::Disabled);
    let (policy, maker) = without_maker(&scope.account, &policy::parse(policy));
    KeyState { alias, enabled, rotation, policy, maker }
}

fn output(key: &KeyMetadata) -> KeyOutput {
    KeyOutput { arn: key.arn().unwrap_or_default().to_owned(), id: key.key_id().to_owned() }
}

fn status(key: &KeyMetadata) -> Status {
    match key.key_state() {
        Some(phase @ (Phase::Creating | Phase::Updating)) => Status::Busy(phase.as_str().to_lowercase()),
        Some(phase @ (Phase::PendingImport | Phase::Unavailable)) => {
            Status::Failed(format!("the key is {}", phase.as_str()))
        }
        _ => Status::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Late;

    /// The metadata are those of the example of DescribeKey in botocore's `kms/2014-11-01/examples-1.json`. The policy
    /// is ours, in the layout of that file's example of GetKeyPolicy (indented, principals as ARNs, lists of one as
    /// scalars).
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let scope = Scope {
            account: "111122223333".into(),
            region: "us-east-2".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        };
        let key = KeyMetadata::builder()
            .key_id("1234abcd-12ab-34cd-56ef-1234567890ab")
            .arn("arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
            .enabled(true)
            .key_state(Phase::Enabled)
            .build()
            .expect("complete");
        let want =
            Key::want(&scope, "key", &KeySpec {}, &crate::kind::board::Board::default().outputs(Late::IsAwaited));
        let text = serde_json::to_string_pretty(&key_policy(&scope)).expect("json");
        let text = text.replacen(r#""111122223333""#, r#""arn:aws:iam::111122223333:root""#, 1);
        let live = state(&scope, &key, Some("alias/a-b".into()), &text, true);
        assert_eq!(serde_json::to_value(live).ok(), serde_json::to_value(want.expect("pure")).ok());
        assert_eq!(status(&key), Status::Ready);
    }

    #[test]
    fn a_bare_id_becomes_an_arn() {
        let scope = Scope {
            account: "111122223333".into(),
            region: "us-east-2".into(),
            stack: "a".into(),
            env: "b".into(),
            tags: Default::default(),
        };
        let arn = "arn:aws:kms:us-east-2:111122223333:key/1234abcd";
        assert_eq!(key_arn(&scope, "1234abcd"), arn);
        assert_eq!(key_arn(&scope, arn), arn);
    }
}
