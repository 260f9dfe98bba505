//! Whether OpenSearch has the version, and sells the class for it in enough zones.

use std::collections::BTreeSet;

use super::{Finding, Scene, list};
use crate::aws::Error;
use crate::kinds::opensearch::Domain;

const NAME: &str = "search";

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let domains = scene.of::<Domain>();
    if domains.is_empty() {
        return Ok(Vec::new());
    }
    let (client, region) = (&scene.cx.opensearch, &scene.cx.scope.region);
    let pages: Vec<_> = client.list_versions().into_paginator().send().try_collect().await?;
    let versions: Vec<&String> = pages.iter().flat_map(|page| page.versions()).collect();
    let mut findings = Vec::new();
    for (_, spec) in domains {
        let (version, class) = (format!("OpenSearch_{}", spec.version), &spec.class);
        if !versions.contains(&&version) {
            let known: Vec<&str> = versions.iter().filter_map(|version| version.strip_prefix("OpenSearch_")).collect();
            let todo = format!("choose another `version:`; there are {}", list(known));
            findings.push(Finding::stop(
                NAME,
                format!("OpenSearch Service has no OpenSearch {} in {region}", spec.version),
                todo,
            ));
            continue;
        }
        let call = client.list_instance_type_details().engine_version(&version).instance_type(class).retrieve_azs(true);
        let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
        let found: Vec<_> = pages.iter().flat_map(|page| page.instance_type_details()).collect();
        let mine = found.iter().filter(|found| found.instance_type().is_some_and(|name| name.as_str() == class));
        let zones: Vec<&str> = mine.clone().flat_map(|found| found.availability_zones()).map(String::as_str).collect();
        let zones: BTreeSet<&str> = zones.into_iter().collect();
        let todo = "choose another `class:`, or another region";
        findings.push(match mine.count() {
            0 => Finding::stop(
                NAME,
                format!("OpenSearch {} on {class} is not to be had in {region}", spec.version),
                todo,
            ),
            // Some answers name no zones.
            _ if zones.is_empty() => {
                Finding::ok(NAME, format!("OpenSearch {} on {class} is to be had in {region}", spec.version))
            }
            _ => Finding::ok(NAME, format!("OpenSearch {} on {class} is to be had in {}", spec.version, list(zones))),
        });
    }
    Ok(findings)
}
