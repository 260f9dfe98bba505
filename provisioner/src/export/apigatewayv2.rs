//! The HTTP API with its integrations, routes and stage.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::it::It;
use super::{names, tokens};
use crate::kinds::apigatewayv2::{ApiState, Crossing, Stage};
use crate::scope::{Scope, hex};

/// The ARN of an API. CloudFormation gives only its id.
pub(super) fn arn(scope: &Scope, id: &str, _: &Value) -> String {
    format!("arn:aws:apigateway:{}::/apis/{}", scope.region, tokens::of(id, ""))
}

/// Adds an API. Its integrations name the functions by what follows from their names, so that a function may have the
/// API's address.
pub(super) fn api(it: &mut It<'_>, want: ApiState) {
    let ApiState { name, has_address, cors, routes, stage, integrations: _, stages: _, stalled: _, deployment: _ } =
        want;
    let tags = map(&it.tags());
    let mut properties = json!({
        "Name": name, "ProtocolType": "HTTP", "DisableExecuteApiEndpoint": !has_address, "Tags": tags,
    });
    if cors != Crossing::default() {
        let Crossing { origins, methods, headers, exposed: _, credentials: _, max_age: _ } = cors;
        properties["CorsConfiguration"] =
            json!({"AllowOrigins": origins, "AllowMethods": methods, "AllowHeaders": headers});
    }
    it.put("AWS::ApiGatewayV2::Api", properties);
    let own = it.own();
    let mut integrations: BTreeMap<&str, String> = BTreeMap::new();
    for function in routes.values() {
        if integrations.contains_key(function.as_str()) {
            continue;
        }
        let suffix = format!("{}Integration", short(function));
        let properties = json!({
            "ApiId": own, "IntegrationType": "AWS_PROXY", "IntegrationUri": function, "PayloadFormatVersion": "2.0",
        });
        let id = it.part(&suffix, "AWS::ApiGatewayV2::Integration", properties).id.clone();
        integrations.insert(function, id);
    }
    let mut made = Vec::new();
    for (key, function) in &routes {
        let suffix = format!("{}{}Route", names::pascal(key), short(key));
        let target = format!("integrations/{}", tokens::of(&integrations[function.as_str()], ""));
        let properties = json!({"ApiId": own, "RouteKey": key, "Target": target, "AuthorizationType": "NONE"});
        made.push(it.part(&suffix, "AWS::ApiGatewayV2::Route", properties).id.clone());
    }
    let Stage { deploys_itself, rate, burst, log_group, log_format } = stage;
    let properties = json!({
        "ApiId": own, "StageName": "$default", "AutoDeploy": deploys_itself,
        "AccessLogSettings": {"DestinationArn": log_group, "Format": log_format},
        "DefaultRouteSettings": {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}, "Tags": tags,
    });
    // A stage without routes cannot be deployed.
    it.part("Stage", "AWS::ApiGatewayV2::Stage", properties).after(made);
}

/// Some letters that stand for a text, because ids have letters and digits only.
fn short(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..4])
}

/// Tags as this service takes them: an object.
fn map(tags: &Value) -> Value {
    let pairs = tags.as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone())));
    Value::Object(pairs.collect::<Map<String, Value>>())
}
