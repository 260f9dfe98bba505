//! The parameters that the person who deploys the template has to give. They stand for artefacts that `up` builds and
//! uploads itself.

use crate::kind::Kind;
use crate::kinds::{ecr, lambda};
use crate::plan::desired::Desired;

pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) pattern: &'static str,
    pub(super) says: &'static str,
}

pub(super) const IMAGE: &str = "ImageUri";
pub(super) const BUCKET: &str = "ForwarderBucket";
pub(super) const KEY: &str = "ForwarderKey";
/// The value of `ImageUri` that leaves out all resources that run the image, so that the image can be pushed to the
/// repository of the template.
pub(super) const NO_IMAGE: &str = "none";

pub(super) fn of(desired: &Desired) -> Vec<Parameter> {
    let has = |kind| desired.resources().iter().any(|wanted| wanted.address.kind == kind);
    let mut parameters = Vec::new();
    if has(ecr::Image::FACTS.name) {
        parameters.push(Parameter {
            name: IMAGE,
            description: "The image of the runtime, with its digest, in any ECR repository of this account and region. `none` makes everything else first, the repository among it.",
            pattern: "none|[^@ ]+@sha256:[0-9a-f]{64}",
            says: "<repository>@sha256:<digest>, or none",
        });
    }
    if has(lambda::Function::FACTS.name) {
        parameters.push(Parameter {
            name: BUCKET,
            description: "The bucket, of this region, with the log forwarder's package.",
            pattern: "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            says: "the name of a bucket",
        });
        parameters.push(Parameter {
            name: KEY,
            description: "The key of the log forwarder's package in it: a zip with the runtime, named `bootstrap`.",
            pattern: ".+",
            says: "the key of an object",
        });
    }
    parameters
}
