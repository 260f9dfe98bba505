//! Expands `secrets:` to secrets in Secrets Manager, under the stack's key. A secret that somebody else made becomes
//! nothing: those who use it get what was seen of it.

use super::value;
use crate::image::{Digests, ExistingSecret};
use crate::kind::Ref;
use crate::kinds::secretsmanager::existing::any_key;
use crate::kinds::secretsmanager::{AnySecret, Form, Secret, SecretSpec};
use crate::plan::placeholder_after;
use crate::scope::Scope;
use crate::sections::aws::making::{Expand, Making};
use crate::sections::words::Name;

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    for (name, secret) in &making.loaded.stack.secrets {
        if secret.from.is_some() {
            continue;
        }
        let description = format!("The secret {name}");
        let spec = SecretSpec { description, kms_key: making.key(), form: Form::Bytes(super::BYTES) };
        making.add::<Secret>(&format!("secrets.{name}"), value(&name.0), spec);
    }
}

/// The secret of this name in the stack file, for those who read it.
pub(crate) fn reference(making: &Making<'_>, name: &str) -> AnySecret {
    let secret = making.loaded.stack.secrets.get(&Name(name.to_owned()));
    match secret.and_then(|secret| secret.from.as_deref()) {
        Some(from) => AnySecret::Existing(existing(making.scope, making.digests, from)),
        None => AnySecret::Own(Ref::to(value(name))),
    }
}

/// A secret that somebody else made, as it was seen. If it was not seen, the ARN is a pattern that fits it, and the
/// version is not known yet.
pub(crate) fn existing(scope: &Scope, digests: &Digests, from: &str) -> ExistingSecret {
    if let Some(seen) = digests.secrets.get(from) {
        return seen.clone();
    }
    let arn = pattern(scope, from);
    let version_id = placeholder_after("the secret is looked up").as_str().unwrap_or_default().to_owned();
    ExistingSecret { key: Some(any_key(&arn)), arn, version_id, previous: None }
}

/// The ARNs on which to allow a look at a secret. If there is no such secret, no ARN has an end, and IAM sees the name
/// alone.
pub(crate) fn seen_as(scope: &Scope, from: &str) -> Vec<String> {
    let mut arns = vec![pattern(scope, from)];
    arns.extend((!from.starts_with("arn:")).then(|| scope.arn("secretsmanager", &format!("secret:{from}"))));
    arns
}

/// The ARN of a secret for an IAM policy, offline. An ARN ends in six characters that AWS chose at random.
pub(crate) fn pattern(scope: &Scope, from: &str) -> String {
    match from.starts_with("arn:") {
        true => from.to_owned(),
        false => scope.arn("secretsmanager", &format!("secret:{from}-??????")),
    }
}
