//! A secret that somebody else made. The program looks it up, and never makes, changes, tags or deletes it. So it is no
//! kind: what was seen of it is in [`Digests`](crate::image::Digests), beside the other things that come from outside.
//!
//! One `DescribeSecret` finds it, by name or by ARN. The value is never read here. The key is in the answer only if it
//! is not AWS's own (Secrets Manager API reference, DescribeSecret, `KmsKeyId`: a key id, or the ARN of an alias).

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use serde::{Deserialize, Serialize};

use super::secret::{current, describe, previous};
use super::{Secret, SecretOutput};
use crate::aws::{Cx, Error};
use crate::image::ExistingSecret;
use crate::kind::{Missing, Outputs, Ref};
use crate::kinds::kms::key_arn;
use crate::scope::Scope;

/// The action of the one call.
pub const ACTION: &str = "secretsmanager:DescribeSecret";

/// A secret that a service or a function reads.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnySecret {
    /// A secret of the stack.
    Own(Ref<Secret>),
    /// A secret that somebody else made.
    Existing(ExistingSecret),
}

impl AnySecret {
    pub fn output(&self, outputs: &Outputs) -> Result<SecretOutput, Missing> {
        match self {
            AnySecret::Own(secret) => outputs.get(secret),
            AnySecret::Existing(ExistingSecret { arn, version_id, previous, key: _ }) => {
                Ok(SecretOutput { arn: arn.clone(), version_id: version_id.clone(), previous: previous.clone() })
            }
        }
    }
}

/// Why a secret cannot be used, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    pub what: String,
    pub hint: String,
}

/// Looks for a secret. `id` is its name or its ARN.
pub async fn find(cx: &Cx, id: &str) -> Result<Result<ExistingSecret, Unusable>, Error> {
    let answer = describe(cx, id).await?;
    // An emulator may take the beginning of a name for the name.
    let answer = answer.filter(|secret| secret.name() == Some(id) || secret.arn() == Some(id));
    Ok(usable(&cx.scope, id, answer.as_ref()))
}

fn usable(scope: &Scope, id: &str, answer: Option<&DescribeSecretOutput>) -> Result<ExistingSecret, Unusable> {
    let unusable = |what: String, hint: String| Err(Unusable { what, hint });
    let Some(secret) = answer else {
        let what = format!("there is no secret `{id}` in {}, in account {}", scope.region, scope.account);
        return unusable(what, "make it, or write the name of one that is there".to_owned());
    };
    if let Some(deleted) = secret.deleted_date() {
        let day = deleted.to_string();
        let day = day.split('T').next().unwrap_or_default();
        let restore = format!("restore it: aws secretsmanager restore-secret --secret-id {id}");
        return unusable(format!("the secret `{id}` is to be deleted on {day}, and nobody can read it"), restore);
    }
    let tags = secret.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    if scope.whose(tags, None).is_some() {
        let what = format!("this stack made the secret `{id}` itself, and deletes it when no line asks for it");
        return unusable(what, "leave `from` out, or take the tag `provision:stack` off the secret".to_owned());
    }
    let Some(version_id) = current(secret) else {
        let put = format!("give it one: aws secretsmanager put-secret-value --secret-id {id} --secret-string …");
        return unusable(format!("the secret `{id}` has no value yet"), put);
    };
    let arn = secret.arn().unwrap_or_default().to_owned();
    let key = secret.kms_key_id().map(|shown| key_of(scope, &arn, shown));
    Ok(ExistingSecret { arn, version_id, previous: previous(secret), key })
}

/// The ARN of the key for an IAM policy. A policy cannot name a key by its alias, so an alias stands for every key of the
/// secret's account. The context of the decryption binds it to the secret.
fn key_of(scope: &Scope, secret: &str, shown: &str) -> String {
    match key_arn(scope, shown) {
        arn if arn.contains(":key/") => arn,
        _ => any_key(secret),
    }
}

/// Every key of the account and the region that the secret is in.
pub fn any_key(secret: &str) -> String {
    let place: Vec<&str> = secret.split(':').take(5).collect();
    format!("{}:key/*", place.join(":").replacen(":secretsmanager:", ":kms:", 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_secretsmanager::types::Tag;
    use aws_smithy_types::DateTime;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:partner-AbCdEf";
    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234";

    fn scope() -> Scope {
        Scope {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            stack: "bell".into(),
            env: "dev".into(),
            tags: Default::default(),
        }
    }

    fn answer() -> aws_sdk_secretsmanager::operation::describe_secret::builders::DescribeSecretOutputBuilder {
        let answer = DescribeSecretOutput::builder().name("partner").arn(ARN);
        answer.version_ids_to_stages("v1", vec!["AWSPREVIOUS".into()])
    }

    #[test]
    fn the_key_is_told_only_if_it_is_not_awss_own() {
        let key = |shown: Option<&str>| {
            let answer = answer().version_ids_to_stages("v2", vec!["AWSCURRENT".into()]);
            let answer = answer.set_kms_key_id(shown.map(str::to_owned)).build();
            let found = usable(&scope(), "partner", Some(&answer)).expect("usable");
            assert_eq!((found.arn.as_str(), found.version_id.as_str()), (ARN, "v2"));
            found.key
        };
        assert_eq!(key(None), None);
        assert_eq!(key(Some("1234")).as_deref(), Some(KEY));
        assert_eq!(key(Some(KEY)).as_deref(), Some(KEY));
        let alias = "arn:aws:kms:eu-west-1:123456789012:alias/partner";
        assert_eq!(key(Some(alias)).as_deref(), Some("arn:aws:kms:eu-west-1:123456789012:key/*"));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let told = |answer: Option<DescribeSecretOutput>| {
            let Unusable { what, hint } = usable(&scope(), "partner", answer.as_ref()).expect_err("unusable");
            format!("{what} -> {hint}")
        };
        let tag = Tag::builder().key("provision:stack").value("bell/dev").build();
        let name = Tag::builder().key("provision:name").value("partner-value").build();
        let told = [
            told(None),
            told(Some(answer().deleted_date(DateTime::from_secs(1_790_000_000)).build())),
            told(Some(answer().tags(tag).tags(name).build())),
            told(Some(answer().build())),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        there is no secret `partner` in eu-west-1, in account 123456789012 -> make it, or write the name of one that is there
        the secret `partner` is to be deleted on 2026-09-21, and nobody can read it -> restore it: aws secretsmanager restore-secret --secret-id partner
        this stack made the secret `partner` itself, and deletes it when no line asks for it -> leave `from` out, or take the tag `provision:stack` off the secret
        the secret `partner` has no value yet -> give it one: aws secretsmanager put-secret-value --secret-id partner --secret-string …
        ");
    }

    #[test]
    fn a_spec_reads_as_it_was_written() {
        let own = AnySecret::Own(Ref::to("admin-key-value"));
        let existing = ExistingSecret { arn: ARN.into(), version_id: "v1".into(), previous: None, key: None };
        for (secret, is_own) in [(own, true), (AnySecret::Existing(existing), false)] {
            let text = serde_json::to_string(&secret).expect("JSON");
            let read: AnySecret = serde_json::from_str(&text).expect("the same");
            assert_eq!(matches!(read, AnySecret::Own(_)), is_own, "{text}");
        }
    }
}
