//! Whether ElastiCache has the engine's version and the class. ElastiCache has no list of classes for a region. But if
//! it sells a class, it also sells reservations of it. So a class without reservations is suspect, and no more than
//! that.

use std::collections::BTreeSet;

use super::{Finding, Scene, list};
use crate::aws::Error;
use crate::kinds::elasticache::ReplicationGroup;

const NAME: &str = "caches";

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let (client, region) = (&scene.cx.elasticache, &scene.cx.scope.region);
    let wanted: BTreeSet<(String, String, String)> =
        scene.of::<ReplicationGroup>().into_iter().map(|(_, spec)| (spec.engine, spec.version, spec.class)).collect();
    let mut findings = Vec::new();
    for (engine, version, class) in wanted {
        let call = client.describe_cache_engine_versions().engine(&engine);
        let found = call.into_paginator().items().send().try_collect().await?;
        let versions: Vec<&str> = found.iter().filter_map(|found| found.engine_version()).collect();
        if !versions.iter().any(|found| *found == version || found.starts_with(&format!("{version}."))) {
            let todo = format!("choose another `version:`; there are {}", list(versions));
            findings.push(Finding::stop(NAME, format!("ElastiCache has no {engine} {version} in {region}"), todo));
            continue;
        }
        let call = client.describe_reserved_cache_nodes_offerings().cache_node_type(&class).max_records(20);
        let offered = !call.send().await?.reserved_cache_nodes_offerings().is_empty();
        findings.push(match offered {
            true => Finding::ok(NAME, format!("{engine} {version} on {class} is to be had in {region}")),
            false => Finding::warning(
                NAME,
                format!("ElastiCache seems not to sell {class} in {region}"),
                "look at its price list, and choose another `class:` if it is not there",
            ),
        });
    }
    Ok(findings)
}
