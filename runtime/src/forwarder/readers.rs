//! Lets the stack's services read in the search domain. The fine-grained access of the domain knows only its master
//! user, which is the forwarder. This module maps the IAM roles of the services that search, each to the indexes that
//! it may read. <https://docs.opensearch.org/latest/security/access-control/api/>

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::install::denied;
use super::{Forwarder, search};
use crate::telemetry;

/// Puts a role of the domain for each pattern of indexes. `true` if they need not be put again. Every process puts them
/// again; that changes nothing. The names of these roles belong to this program alone.
pub async fn install(forwarder: &Forwarder, until: Instant) -> anyhow::Result<bool> {
    let mut done = true;
    for (pattern, arns) in by_pattern(&forwarder.config.readers) {
        let name = role_name(&forwarder.config.index_prefix, pattern);
        done &= put(forwarder, &format!("/_plugins/_security/api/roles/{name}"), &role(pattern), until).await?;
        let mapping = json!({ "backend_roles": arns });
        done &= put(forwarder, &format!("/_plugins/_security/api/rolesmapping/{name}"), &mapping, until).await?;
    }
    Ok(done)
}

fn by_pattern(readers: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (arn, pattern) in readers {
        all.entry(pattern).or_default().insert(arn);
    }
    all
}

/// The name of a role of the domain: `shop-read-orders`, `shop-read-all`.
fn role_name(prefix: &str, pattern: &str) -> String {
    match pattern.trim_end_matches(['*', '-']) {
        "" => format!("{prefix}-read-all"),
        part => format!("{prefix}-read-{part}"),
    }
}

fn role(pattern: &str) -> Value {
    json!({
        "cluster_permissions": ["cluster_composite_ops_ro"],
        "index_permissions": [{ "index_patterns": [pattern], "allowed_actions": ["read"] }],
    })
}

async fn put(forwarder: &Forwarder, path: &str, body: &Value, until: Instant) -> anyhow::Result<bool> {
    let body = body.to_string().into();
    let answer = search::insist(forwarder, Method::PUT, path, &body, until).await.context("mapping the readers")?;
    if !answer.status.is_success() {
        telemetry::warn("no_readers", &json!({ "path": path, "message": search::said(&answer) }));
    }
    Ok(!denied(&answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_role_for_each_pattern() {
        let readers = [("arn:a", "orders-*"), ("arn:b", "*"), ("arn:c", "*")];
        let readers = readers.map(|(arn, pattern)| (arn.to_owned(), pattern.to_owned())).into();
        let all = by_pattern(&readers);
        assert_eq!(all["*"], BTreeSet::from(["arn:b", "arn:c"]));
        let names: Vec<String> = all.keys().map(|pattern| role_name("shop", pattern)).collect();
        assert_eq!(names, ["shop-read-all", "shop-read-orders"]);
    }
}
