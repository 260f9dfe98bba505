//! Compares the requests to AWS with AWS's own publications.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use gateway::Gateway;
use serde_json::Value;

use super::binary::said;

/// The actions that were called, in the names of IAM.
pub fn called(gateway: &Gateway) -> BTreeSet<String> {
    let iam = |service: &str| match service {
        "apigatewayv2" => "apigateway".to_owned(),
        "elbv2" => "elasticloadbalancing".to_owned(),
        "opensearch" => "es".to_owned(),
        "resourcegroupstaggingapi" => "tag".to_owned(),
        "service-quotas" => "servicequotas".to_owned(),
        other => other.to_owned(),
    };
    // Of API Gateway IAM knows only the methods.
    let methods = [
        ("Create", "POST"),
        ("Delete", "DELETE"),
        ("Get", "GET"),
        ("Tag", "POST"),
        ("Untag", "DELETE"),
        ("Update", "PATCH"),
    ];
    let action = |service: &str, action: &str| match methods.iter().find(|(verb, _)| action.starts_with(verb)) {
        Some((_, method)) if service == "apigatewayv2" => (*method).to_owned(),
        _ => action.to_owned(),
    };
    let calls = gateway.calls();
    calls.iter().map(|call| format!("{}:{}", iam(&call.service), action(&call.service, &call.action))).collect()
}

/// Checks that the policy which provision prints for itself has every action that was called.
pub fn may_all_be_called(policy: &Output, called: &BTreeSet<String>) {
    let printed: Value = serde_json::from_slice(&policy.stdout).unwrap_or_else(|_| panic!("{}", said(policy)));
    let statements =
        printed["policies"].as_array().expect("documents").iter().flat_map(|one| one["Statement"].as_array());
    let allowed: BTreeSet<&str> =
        statements.flatten().flat_map(|one| one["Action"].as_array()).flatten().filter_map(Value::as_str).collect();
    let denied: Vec<_> = called.iter().filter(|action| !allowed.contains(action.as_str())).collect();
    assert!(
        denied.is_empty() && called.len() > 100,
        "{} were called, and not in the policy are {denied:?}",
        called.len()
    );
}

/// Checks every request by the models that botocore ships, signatures included.
pub fn valid(record: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("../.emulators/venv/bin/python"))
        .arg(root.join("gateway/validate.py"))
        .arg(record)
        .output()
        .expect("python runs: run provisioner/gateway/install.sh first");
    assert!(output.status.success(), "{}", said(&output));
}
