//! Whether there is something to run: the bundled runtime on this machine, and the user's own images in the registry.

use std::collections::BTreeSet;

use super::{Finding, Scene, list};
use crate::aws::Error;
use crate::kind::Kind;
use crate::kinds::ecr;
use crate::kinds::ecs::{Image, TaskDefinition};
use crate::kinds::lambda::Function;

const NAME: &str = "images";

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings: Vec<Finding> = runtime(scene).into_iter().collect();
    let named: BTreeSet<String> = scene
        .of::<TaskDefinition>()
        .into_iter()
        .filter_map(|(_, spec)| match spec.image {
            Image::Named(image) => Some(image),
            Image::Built(_) => None,
        })
        .collect();
    for image in named {
        findings.push(one(scene, &image).await?);
    }
    Ok(findings)
}

/// Checks the runtime, which becomes the image of the services and the package of the function.
fn runtime(scene: &Scene<'_>) -> Option<Finding> {
    let changes = |kind: &str| {
        let mine = scene.desired.resources().iter().filter(|wanted| wanted.address.kind == kind);
        mine.filter(|wanted| scene.whole || scene.step(wanted).is_some_and(|step| step.action.is_change())).count() > 0
    };
    let (image, zip) = (changes(ecr::Image::FACTS.name), changes(Function::FACTS.name));
    let built = &scene.cx.artefacts;
    let parts = [(image, built.image.is_some(), "the image"), (zip, built.zip.is_some(), "the Lambda package")];
    let wanted: Vec<_> = parts.into_iter().filter(|(wanted, ..)| *wanted).collect();
    if wanted.is_empty() {
        return None;
    }
    let missing: Vec<&str> = wanted.iter().filter(|(_, there, _)| !there).map(|(.., what)| *what).collect();
    Some(match missing.is_empty() {
        true => Finding::ok(NAME, format!("the runtime is there for {}", list(wanted.iter().map(|(.., what)| *what)))),
        false => Finding::stop(
            NAME,
            format!("there is no runtime on this machine to make {} of", list(missing)),
            "build it with `runtime/build.sh`, or name one with PROVISION_RUNTIME",
        ),
    })
}

/// Checks `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1`, or an image of another registry, which only the
/// task can ask.
async fn one(scene: &Scene<'_>, image: &str) -> Result<Finding, Error> {
    let Some((host, rest)) = image.split_once('/').filter(|(host, _)| host.contains(".dkr.ecr.")) else {
        return Ok(Finding::unknown(NAME, &format!("the image {image}"), "it is not in ECR"));
    };
    let parts: Vec<&str> = host.split('.').collect();
    if parts.get(3) != Some(&scene.cx.scope.region.as_str()) {
        return Ok(Finding::unknown(NAME, &format!("the image {image}"), "it is in another region"));
    }
    let id = aws_sdk_ecr::types::ImageIdentifier::builder();
    let (repository, id) = match (rest.split_once('@'), rest.rsplit_once(':')) {
        (Some((repository, digest)), _) => (repository.split(':').next().unwrap_or_default(), id.image_digest(digest)),
        (None, Some((repository, tag))) => (repository, id.image_tag(tag)),
        (None, None) => (rest, id.image_tag("latest")),
    };
    let call = scene.cx.ecr.describe_images().registry_id(parts[0]).repository_name(repository).image_ids(id.build());
    let answer = Error::unless_gone(call.send().await, &["ImageNotFoundException", "RepositoryNotFoundException"])?;
    Ok(match answer.is_some_and(|answer| !answer.image_details().is_empty()) {
        true => Finding::ok(NAME, format!("the image {image} is there")),
        false => {
            Finding::stop(NAME, format!("there is no image {image}"), "push it first, or name another one in `image:`")
        }
    })
}
