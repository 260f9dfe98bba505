//! The parameters that the person who deploys the template has to give. They stand for artefacts that `up` builds and
//! uploads itself, and for the ARNs of secrets that `up` looks up.

use std::collections::BTreeMap;

use super::names::pascal;
use super::tokens;
use crate::image::{Digests, ExistingSecret};
use crate::kind::Kind;
use crate::kinds::secretsmanager::existing::any_key;
use crate::kinds::{ecr, lambda};
use crate::plan::desired::Desired;
use crate::scope::Scope;
use crate::sections::Stack;

pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) pattern: &'static str,
    pub(super) says: &'static str,
}

pub(super) const IMAGE: &str = "ImageUri";
pub(super) const BUCKET: &str = "ForwarderBucket";
pub(super) const KEY: &str = "ForwarderKey";
/// The value of `ImageUri` that leaves out all resources that run the image, so that the image can be pushed to the
/// repository of the template.
pub(super) const NO_IMAGE: &str = "none";

pub(super) fn of(desired: &Desired, stack: &Stack) -> Vec<Parameter> {
    let has = |kind| desired.resources().iter().any(|wanted| wanted.address.kind == kind);
    let mut parameters = Vec::new();
    if has(ecr::Image::FACTS.name) {
        parameters.push(Parameter {
            name: IMAGE.to_owned(),
            description: "The image of the runtime, with its digest, in any ECR repository of this account and region. `none` makes everything else first, the repository among it.".to_owned(),
            pattern: "none|[^@ ]+@sha256:[0-9a-f]{64}",
            says: "<repository>@sha256:<digest>, or none",
        });
    }
    if has(lambda::Function::FACTS.name) {
        parameters.push(Parameter {
            name: BUCKET.to_owned(),
            description: "The bucket, of this region, with the log forwarder's package.".to_owned(),
            pattern: "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            says: "the name of a bucket",
        });
        parameters.push(Parameter {
            name: KEY.to_owned(),
            description: "The key of the log forwarder's package in it: a zip with the runtime, named `bootstrap`."
                .to_owned(),
            pattern: ".+",
            says: "the key of an object",
        });
    }
    for (name, from) in named(stack) {
        parameters.push(Parameter {
            name,
            description: format!("The whole ARN of the secret `{from}`, which is there already."),
            pattern: "arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:[^:]+-[A-Za-z0-9]{6}",
            says: "the ARN of a secret, with the six characters at its end",
        });
    }
    parameters
}

/// The secrets that somebody else made, as the template knows them: by a parameter, or by the ARN in the stack file.
/// CloudFormation tells neither the version nor the key of a secret.
pub(super) fn secrets(scope: &Scope, stack: &Stack) -> Digests {
    let mut digests = Digests::default();
    for (_, arn) in stack.existing_secrets().filter(|(_, from)| from.starts_with("arn:")) {
        let (key, arn) = (Some(any_key(arn)), arn.to_owned());
        digests.secrets.insert(arn.clone(), ExistingSecret { arn, version_id: String::new(), previous: None, key });
    }
    for (name, from) in named(stack) {
        let (arn, key) = (tokens::pseudo(&name), Some(scope.arn("kms", "key/*")));
        digests.secrets.insert(from.to_owned(), ExistingSecret { arn, version_id: String::new(), previous: None, key });
    }
    digests
}

/// The secrets that the stack file names by a name, each with its parameter. An ARN needs no parameter.
fn named(stack: &Stack) -> BTreeMap<String, &str> {
    let mut named = BTreeMap::new();
    for (name, from) in stack.existing_secrets().filter(|(_, from)| !from.starts_with("arn:")) {
        let id = format!("{}SecretArn", pascal(name));
        // `a-1` and `a1` give the same id.
        let id = if named.contains_key(&id) { format!("{id}{}", named.len()) } else { id };
        named.insert(id, from);
    }
    named
}
