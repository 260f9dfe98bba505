//! Changes of domains. Both emulators let a dry run change the domain, and let a partial ClusterConfig replace the
//! whole one.

use crate::account::last_part;
use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use anyhow::Result;
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) async fn before(shared: &Shared, request: &mut Request) -> Result<Option<Answer>> {
    if request.action != "UpdateDomainConfig" {
        return Ok(None);
    }
    let Some(name) = request.text("DomainName").map(str::to_owned) else { return Ok(None) };
    if request.flag("DryRun") == Some(true) {
        let ask = request.to_path("GET", &format!("/2021-01-01/opensearch/domain/{name}/config"));
        let mut answer = shared.forward(&ask).await?;
        if let (true, Some(Value::Object(body))) = (answer.ok(), answer.json_body_mut()) {
            let heavy = ["ClusterConfig", "EBSOptions", "VPCOptions", "EncryptionAtRestOptions", "AdvancedSecurityOptions"];
            let blue_green = heavy.iter().any(|part| request.params.get(*part).is_some());
            let kind = if blue_green { "Blue/Green" } else { "DynamicUpdate" };
            body.insert(
                "DryRunResults".to_owned(),
                json!({"DeploymentType": kind, "Message": format!("This change will require a {kind} deployment.")}),
            );
        }
        return Ok(Some(answer));
    }
    let known = {
        let state = shared.state();
        state.account.get(&request.home, "opensearch.domain", &last_part(&name)).map(|domain| domain.params.clone())
    };
    let Some(known) = known else { return Ok(None) };
    let mut whole: Map<String, Value> = request.params.as_object().cloned().unwrap_or_default();
    for (part, value) in &mut whole {
        if let Some(before) = known.get(part) {
            let mut merged = before.clone();
            merge(&mut merged, value);
            *value = merged;
        }
    }
    request.params = Value::Object(whole.clone());
    whole.remove("DomainName");
    request.body = Bytes::from(Value::Object(whole).to_string());
    Ok(None)
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(into.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
        (into, changes) => *into = changes.clone(),
    }
}
