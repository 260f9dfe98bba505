//! Whether RDS has the version, and sells the class in the zones that the stack uses.

use std::collections::BTreeSet;

use super::{Finding, Scene, list};
use crate::aws::{Cx, Error};
use crate::kind::Kind;
use crate::kinds::rds::{Instance, InstanceRole};

const NAME: &str = "databases";

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let instances = scene.of::<Instance>();
    let mut wanted: BTreeSet<(String, String, bool)> = BTreeSet::new();
    for (_, spec) in &instances {
        // A replica has the version of its primary, and the plan may not change the primary.
        let (version, standby) = match &spec.role {
            InstanceRole::Primary { version, standby, .. } => (version.clone(), *standby),
            InstanceRole::Replica { source } => (version_of(scene, &source.name), false),
        };
        wanted.insert((version, spec.class.clone(), standby));
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let zones = scene.zones().await?;
    let mut findings = Vec::new();
    for (version, class, standby) in &wanted {
        findings.push(one(scene.cx, version, class, *standby, &zones).await?);
    }
    Ok(findings)
}

fn version_of(scene: &Scene<'_>, primary: &str) -> String {
    let mine = scene
        .desired
        .resources()
        .iter()
        .find(|wanted| wanted.address.kind == Instance::FACTS.name && wanted.address.name == primary);
    let role = mine.map(|wanted| wanted.spec.get("role")).unwrap_or_default();
    role["primary"]["version"].as_str().unwrap_or_default().to_owned()
}

async fn one(cx: &Cx, version: &str, class: &str, standby: bool, zones: &[String]) -> Result<Finding, Error> {
    let region = &cx.scope.region;
    let call = cx.rds.describe_db_engine_versions().engine("mysql").engine_version(version);
    let versions = call.into_paginator().items().send().try_collect().await?;
    let newest = versions.iter().filter_map(|found| found.engine_version()).max_by_key(|version| numbers(version));
    let Some(newest) = newest else {
        let todo = "choose another `version:` (aws rds describe-db-engine-versions --engine mysql)";
        return Ok(Finding::stop(NAME, format!("RDS has no MySQL {version} in {region}"), todo));
    };
    let call = cx.rds.describe_orderable_db_instance_options().engine("mysql").engine_version(newest);
    let options = call.db_instance_class(class).vpc(true).into_paginator().items().send().try_collect().await?;
    let sold = options.iter().flat_map(|option| option.availability_zones()).filter_map(|zone| zone.name());
    let sold: BTreeSet<&str> = sold.collect();
    let there = zones.iter().filter(|zone| sold.contains(zone.as_str())).count();
    let what = format!("MySQL {newest} on {class}");
    let todo = "choose another `class:`, or another region";
    Ok(match (there, standby) {
        _ if sold.is_empty() => Finding::stop(NAME, format!("RDS does not sell {what} in {region}"), todo),
        (0, _) => Finding::stop(
            NAME,
            format!("RDS sells {what} in {}, and the stack is in {}", list(sold), list(zones)),
            todo,
        ),
        (1, true) => {
            Finding::stop(NAME, format!("a standby takes two zones, and of {} only one has {what}", list(zones)), todo)
        }
        _ => Finding::ok(NAME, format!("{what} is to be had in {there} of the {} zones of the stack", zones.len())),
    })
}

/// The numbers of a version, so that `8.4.10` is newer than `8.4.9`.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}
