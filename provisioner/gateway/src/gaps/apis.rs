//! HTTP APIs of ministack. A list shows only the tags of the create, and nothing tells what became of a deployment.

use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use anyhow::Result;
use serde_json::{Value, json};

pub(super) async fn after(shared: &Shared, request: &Request, answer: &mut Answer) -> Result<()> {
    if !answer.ok() {
        return Ok(());
    }
    match request.action.as_str() {
        "GetApis" => {
            let list = answer.json_body_mut().and_then(|body| body.get_mut("items")?.as_array_mut());
            for api in list.into_iter().flatten() {
                tag(shared, request, api).await?;
            }
        }
        "GetApi" => {
            if let Some(api) = answer.json_body_mut() {
                tag(shared, request, api).await?;
            }
        }
        "GetStages" => {
            let list = answer.json_body_mut().and_then(|body| body.get_mut("items")?.as_array_mut());
            list.into_iter().flatten().for_each(|stage| deployed(shared, request, stage));
        }
        "GetStage" => {
            if let Some(stage) = answer.json_body_mut() {
                deployed(shared, request, stage);
            }
        }
        // Every change of an API is deployed by the stages that deploy themselves.
        _ if request.write() => {
            if let Some(api) = request.text("ApiId") {
                *shared.state().repairs.deployments.entry(api.to_owned()).or_default() += 1;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Shows the tags that an API has now.
async fn tag(shared: &Shared, request: &Request, api: &mut Value) -> Result<()> {
    let id = api["apiId"].as_str().unwrap_or_default();
    let target = format!("/v2/tags/arn%3Aaws%3Aapigateway%3A{}%3A%3A%2Fapis%2F{id}", request.region);
    let ask = Request { method: "GET".to_owned(), action: "GetTags".to_owned(), target, ..request.clone() };
    let found = shared.forward(&ask).await?;
    if let Some(tags) = found.json_body().filter(|_| found.ok()).and_then(|body| body.get("tags")) {
        api["tags"] = tags.clone();
    }
    Ok(())
}

/// Says what became of the last deployment of a stage (API Gateway V2 API reference, stages).
fn deployed(shared: &Shared, request: &Request, stage: &mut Value) {
    if stage["autoDeploy"] != true {
        return;
    }
    let state = shared.state();
    let api = request.text("ApiId").unwrap_or_default();
    let count = state.repairs.deployments.get(api).copied().unwrap_or_default();
    let routes = state.account.of_kind(&request.home, "apigatewayv2.route");
    let has_routes = routes.filter(|route| route.text("ApiId") == Some(api)).count() > 0;
    let message = match (has_routes, state.pace.fails("apigatewayv2.api", api)) {
        (false, _) => "Deployment attempt failed: Unable to deploy API because no routes exist in this API".to_owned(),
        (true, true) => format!("Deployment attempt failed: on order, attempt {count}"),
        (true, false) => format!("Successfully deployed stage with deployment ID 'd{count}'"),
    };
    stage["lastDeploymentStatusMessage"] = json!(message);
}
