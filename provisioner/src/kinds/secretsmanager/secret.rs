//! `secretsmanager.secret`: a password or token that is generated once, stored, and never shown.
//!
//! A secret is found by name (512 characters, Secrets Manager API reference, CreateSecret). Secrets that nothing asks
//! for any more are found by one `ListSecrets` with the name's prefix. That list lags by up to five minutes, so
//! `DescribeSecret` confirms each one. Every call takes about a second. A name must not end in a dash and six
//! characters: AWS ends its ARNs so, and a look-up would be ambiguous (CreateSecret). Such a name gets one more word.
//!
//! The value is made here, because the create call takes it along, so there is no moment without a value. `version_id`
//! names the current value. Whoever uses the secret pins that version, so a new value shows as a change. A deleted name
//! is blocked for its recovery window. If it is asked for again, the secret is restored and gets a new value.
//!
//! A secret has no resource policy: roles of this account read it by IAM. A policy that others have put there is taken
//! away; one `GetResourcePolicy` per secret shows it.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{put_tags, tag_list};
use crate::aws::{Cx, Error, collect, policy};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::kms::{Key, key_arn};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Secret;

#[derive(Serialize, Deserialize)]
pub struct SecretSpec {
    /// The purpose of the secret. The console shows it.
    pub description: String,
    pub kms_key: Ref<Key>,
    pub form: Form,
}

/// The form of a generated value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A JSON object of `username` and `password`. The password has so many letters and digits.
    Login { username: String, length: usize },
    /// A JSON object with a `token` of so many letters and digits.
    Token { length: usize },
    /// So many random bytes, in base64url without padding. The value is not JSON.
    Bytes(usize),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretState {
    pub name: String,
    pub description: String,
    pub kms_key: String,
    /// Whether a version of the secret is current.
    pub has_value: bool,
    /// The statements of the secret's resource policy, by `Sid`. A statement without a `Sid` is named by its place.
    pub statements: BTreeMap<String, Value>,
    /// The form of a generated value. It is inside the value, so nobody compares it.
    pub form: Option<Form>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretOutput {
    pub arn: String,
    /// The current version. Task definitions pin it.
    pub version_id: String,
    /// The version before it, while Secrets Manager has one.
    #[serde(default)]
    pub previous: Option<String>,
}

/// The recovery window in days. If a snapshot of the database is kept, its password should exist for as long as anybody
/// may want it.
const DAYS_TO_RECOVER: i64 = 30;
const GONE: &[&str] = &["ResourceNotFoundException"];

impl Kind for Secret {
    const FACTS: Facts = Facts {
        name: "secretsmanager.secret",
        fields: &[
            Field::fixed("name"),
            Field::wanted("description"),
            Field::wanted("kms_key"),
            Field::wanted("has_value"),
            Field::beside("statements", "statement of its policy"),
            Field::theirs("form"),
        ],
        exists: &["ResourceExistsException"],
        retry: &[
            // The secret was deleted a moment ago, and is not gone yet.
            Retry::saying("InvalidRequestException", "scheduled for deletion", 60),
            Retry::saying("InvalidRequestException", "deleted", 60),
            // The key is new.
            Retry::code("EncryptionFailure", 30),
            Retry::code("InternalServiceError", 120),
        ],
        actions: &[
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "secretsmanager:CreateSecret",
            "secretsmanager:DeleteResourcePolicy",
            "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:GetSecretValue",
            "secretsmanager:ListSecrets",
            "secretsmanager:PutSecretValue",
            "secretsmanager:RestoreSecret",
            "secretsmanager:TagResource",
            "secretsmanager:UntagResource",
            "secretsmanager:UpdateSecret",
        ],
        takes_along: "the password in it",
        ..Facts::DEFAULT
    };

    type Spec = SecretSpec;
    type State = SecretState;
    type Output = SecretOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &SecretSpec, outputs: &Outputs) -> Result<SecretState, Missing> {
        Ok(SecretState {
            name: secret_name(scope, name),
            description: spec.description.clone(),
            kms_key: outputs.get(&spec.kms_key)?.arn,
            has_value: true,
            statements: BTreeMap::new(),
            form: Some(spec.form.clone()),
        })
    }
}

impl OnAws for Secret {
    async fn read(cx: &Cx, query: &Query<'_, Secret>) -> Result<Vec<Live<Secret>>, Error> {
        // Wanted secrets are asked for by name, listed ones by ARN.
        let mut ids: Vec<(String, Option<String>)> =
            query.wanted.iter().map(|(name, _)| (secret_name(&cx.scope, name), Some(name.clone()))).collect();
        let arns = match query.look.all(cx, "secretsmanager:secret").await {
            Some(arns) => arns,
            None => listed(cx).await?,
        };
        // An ARN ends in six characters that AWS chose at random.
        let is_wanted = |arn: &str| {
            let name = arn.rsplit(':').next().and_then(|rest| rest.rsplit_once('-')).map(|(name, _)| name);
            query.wanted.iter().any(|(wanted, _)| name == Some(&secret_name(&cx.scope, wanted)))
        };
        ids.extend(arns.into_iter().filter(|arn| !is_wanted(arn)).map(|arn| (arn, None)));
        collect(ids, |(id, wanted)| one(cx, id, wanted)).await
    }

    async fn create(cx: &Cx, name: &str, want: &SecretState) -> Result<SecretOutput, Error> {
        let call = cx.secrets.create_secret().name(&want.name).description(&want.description);
        let call = call.kms_key_id(&want.kms_key).secret_string(value(want)?);
        let call = call.set_tags(Some(tag_list(cx.scope.tags(name))));
        let error = match call.send().await.map_err(Error::from) {
            Ok(made) => {
                let (arn, version_id) = (made.arn.unwrap_or_default(), made.version_id.unwrap_or_default());
                return Ok(SecretOutput { arn, version_id, previous: None });
            }
            Err(error) => error,
        };
        let taken = error.is(&["ResourceExistsException"]) || error.says("scheduled for deletion");
        match taken {
            true => restore(cx, name, want).await?.ok_or(error),
            false => Err(error),
        }
    }

    async fn update(cx: &Cx, live: &Live<Secret>, want: &SecretState, changed: &Changed) -> Result<(), Error> {
        if changed.any(&["description", "kms_key"]) {
            describe_anew(cx, &live.output.arn, want).await?;
        }
        if changed.has("has_value") {
            cx.secrets.put_secret_value().secret_id(&live.output.arn).secret_string(value(want)?).send().await?;
        }
        if changed.has("statements") {
            cx.secrets.delete_resource_policy().secret_id(&live.output.arn).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Secret>, last: LastWish) -> Result<(), Error> {
        let call = cx.secrets.delete_secret().secret_id(&live.output.arn);
        let call = match last {
            LastWish::Discard => call.force_delete_without_recovery(true),
            LastWish::Snapshot => call.recovery_window_in_days(DAYS_TO_RECOVER),
        };
        match call.send().await.map_err(Error::from) {
            Err(error) if error.is(GONE) || error.says("deleted") || error.says("scheduled for deletion") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}

/// One member of a secret's value, for the kinds whose API wants the value itself. Nobody keeps it.
pub async fn member(cx: &Cx, arn: &str, version_id: &str, key: &str) -> Result<String, Error> {
    let version = Some(version_id.to_owned()).filter(|id| !id.is_empty());
    let answer = cx.secrets.get_secret_value().secret_id(arn).set_version_id(version).send().await?;
    let value: Value = serde_json::from_str(answer.secret_string().unwrap_or_default()).unwrap_or_default();
    match value[key].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::ours(format!("the secret {arn} is not a JSON object with a text `{key}`"))),
    }
}

fn secret_name(scope: &Scope, name: &str) -> String {
    let whole = scope.name(name, 506);
    match whole.len().checked_sub(7).and_then(|dash| whole.as_bytes().get(dash)) {
        Some(b'-') => format!("{whole}-value"),
        _ => whole,
    }
}

/// Makes a new value.
fn value(want: &SecretState) -> Result<String, Error> {
    Ok(match &want.form {
        Some(Form::Login { username, length }) => {
            json!({"username": username, "password": generate(*length)?}).to_string()
        }
        Some(Form::Token { length }) => json!({"token": generate(*length)?}).to_string(),
        Some(Form::Bytes(count)) => {
            let mut bytes = vec![0; *count];
            fill(&mut bytes)?;
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        }
        None => return Err(Error::ours("nothing says what value the secret gets")),
    })
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|cause| Error::ours(format!("no random numbers: {cause}")))
}

/// Generates a password or token. It has only letters and digits, because RDS refuses `/ " @` and space, and
/// ElastiCache refuses most of the others. A character has six bits.
fn generate(length: usize) -> Result<String, Error> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let mut bytes = [0; 64];
        fill(&mut bytes)?;
        // Bytes above the last whole round of the alphabet are dropped. Otherwise the first letters would come more
        // often.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        word.extend(fair.take(length - word.len()));
    }
    Ok(word)
}

/// Brings back a secret that is in its recovery window. `None` if it is not in one, or is not ours.
async fn restore(cx: &Cx, name: &str, want: &SecretState) -> Result<Option<SecretOutput>, Error> {
    let Some(old) = describe(cx, &want.name).await? else {
        return Ok(None);
    };
    let old_tags = old.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    if old.deleted_date().is_none() || cx.scope.whose(old_tags, None).is_none() {
        return Ok(None);
    }
    let previous = current(&old);
    let arn = old.arn.unwrap_or_default();
    cx.secrets.restore_secret().secret_id(&arn).send().await?;
    describe_anew(cx, &arn, want).await?;
    put_tags(cx, &arn, cx.scope.tags(name)).await?;
    let put = cx.secrets.put_secret_value().secret_id(&arn).secret_string(value(want)?).send().await?;
    Ok(Some(SecretOutput { arn, version_id: put.version_id.unwrap_or_default(), previous }))
}

/// The ARNs of all secrets that have our tag.
async fn listed(cx: &Cx) -> Result<Vec<String>, Error> {
    let prefix = Filter::builder().key(FilterNameStringType::Name).values(format!("{}-", cx.scope.prefix()));
    let pages = cx.secrets.list_secrets().filters(prefix.build()).into_paginator().send();
    let mut arns = Vec::new();
    for entry in pages.try_collect().await?.into_iter().flat_map(|page| page.secret_list.unwrap_or_default()) {
        let tags = entry.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
        if cx.scope.whose(tags, None).is_some() {
            arns.extend(entry.arn);
        }
    }
    Ok(arns)
}

async fn describe_anew(cx: &Cx, arn: &str, want: &SecretState) -> Result<(), Error> {
    let call = cx.secrets.update_secret().secret_id(arn).description(&want.description).kms_key_id(&want.kms_key);
    call.send().await?;
    Ok(())
}

pub(super) async fn describe(cx: &Cx, id: &str) -> Result<Option<DescribeSecretOutput>, Error> {
    Error::unless_gone(cx.secrets.describe_secret().secret_id(id).send().await, GONE)
}

/// The resource policy of a secret. It is `null` if there is none, or if the secret does not exist or is on its way
/// out.
async fn policy_of(cx: &Cx, id: &str) -> Result<Value, Error> {
    match cx.secrets.get_resource_policy().secret_id(id).send().await.map_err(Error::from) {
        Ok(answer) => Ok(answer.resource_policy.map_or(Value::Null, |text| policy::parse(&text))),
        Err(error) if error.is(GONE) || error.says("deleted") || error.says("deletion") => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

async fn one(cx: &Cx, id: String, wanted: Option<String>) -> Result<Option<Live<Secret>>, Error> {
    let (found, policy) = tokio::join!(describe(cx, &id), policy_of(cx, &id));
    let found = found?.filter(|secret| secret.deleted_date().is_none());
    let Some(secret) = found.filter(|secret| wanted.is_none() || secret.name() == Some(&id)) else {
        return Ok(None);
    };
    let tags = secret.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    let Some((name, owner)) = cx.scope.whose(tags, wanted.as_deref()) else {
        return Ok(None);
    };
    // About somebody else's secret we need to know nothing more.
    let policy = if owner == Owner::Foreign { Value::Null } else { policy? };
    let arn = secret.arn().unwrap_or_default().to_owned();
    let state = SecretState { statements: policy::statements(&policy), ..state(&cx.scope, &secret) };
    Ok(Some(Live::ready(
        (name, owner),
        arn.clone(),
        state,
        SecretOutput { arn, version_id: current(&secret).unwrap_or_default(), previous: previous(&secret) },
    )))
}

fn state(scope: &Scope, secret: &DescribeSecretOutput) -> SecretState {
    SecretState {
        name: secret.name().unwrap_or_default().to_owned(),
        description: secret.description().unwrap_or_default().to_owned(),
        kms_key: key_arn(scope, secret.kms_key_id().unwrap_or_default()),
        has_value: current(secret).is_some(),
        statements: BTreeMap::new(),
        form: None,
    }
}

/// The version with the stage `AWSCURRENT`.
pub(super) fn current(secret: &DescribeSecretOutput) -> Option<String> {
    version(secret, "AWSCURRENT")
}

/// The version with the stage `AWSPREVIOUS`: the value that was current until the last new one came.
pub(super) fn previous(secret: &DescribeSecretOutput) -> Option<String> {
    version(secret, "AWSPREVIOUS")
}

fn version(secret: &DescribeSecretOutput, wanted: &str) -> Option<String> {
    let versions = secret.version_ids_to_stages()?;
    versions.iter().find(|(_, stages)| stages.iter().any(|stage| stage == wanted)).map(|(id, _)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: "123456789012".into(),
            region: "us-west-2".into(),
            stack: "sendy".into(),
            env: "dev".into(),
            tags: Default::default(),
        }
    }

    /// The example of DescribeSecret in botocore's `secretsmanager/2017-10-17/examples-1.json`.
    #[test]
    fn a_recorded_answer_names_its_current_version() {
        let secret = DescribeSecretOutput::builder()
            .name("MyTestDatabaseSecret")
            .description("My test database secret")
            .kms_key_id("EXAMPLE1-90ab-cdef-fedc-ba987KMSKEY1")
            .version_ids_to_stages("EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE", vec!["AWSPREVIOUS".into()])
            .version_ids_to_stages("EXAMPLE2-90ab-cdef-fedc-ba987EXAMPLE", vec!["AWSCURRENT".into()])
            .build();
        assert_eq!(current(&secret).as_deref(), Some("EXAMPLE2-90ab-cdef-fedc-ba987EXAMPLE"));
        assert_eq!(previous(&secret).as_deref(), Some("EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"));
        let state = state(&scope(), &secret);
        assert!(state.has_value);
        assert_eq!(state.kms_key, "arn:aws:kms:us-west-2:123456789012:key/EXAMPLE1-90ab-cdef-fedc-ba987KMSKEY1");
    }

    #[test]
    fn no_name_ends_like_an_arn() {
        assert_eq!(secret_name(&scope(), "orders-master"), "sendy-dev-orders-master-value");
        assert_eq!(secret_name(&scope(), "orders"), "sendy-dev-orders-value");
        assert_eq!(secret_name(&scope(), "cache-auth"), "sendy-dev-cache-auth");
    }

    #[test]
    fn values_are_long_enough_and_differ() {
        let (one, other) = (generate(41).expect("random"), generate(41).expect("random"));
        assert!(one.len() == 41 && one != other && one.chars().all(|letter| letter.is_ascii_alphanumeric()));
        let bytes = SecretState { form: Some(Form::Bytes(32)), ..SecretState::default() };
        let (one, other) = (value(&bytes).expect("random"), value(&bytes).expect("random"));
        let read = BASE64_URL_SAFE_NO_PAD.decode(&one).expect("base64url");
        assert!(read.len() == 32 && one.len() == 43 && one != other);
    }
}
