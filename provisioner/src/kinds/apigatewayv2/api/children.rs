//! What is in an API: integrations, routes and stages, as they are and as they have to be.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigatewayv2::types::{
    AccessLogSettings, AuthorizationType, ConnectionType, Integration, IntegrationType, Route, RouteSettings,
    Stage as Answer,
};

use super::{ApiState, Stage};
use crate::aws::{Cx, Error};

pub(super) const GONE: &[&str] = &["NotFoundException"];
const STAGE: &str = "$default";
const PAYLOAD: &str = "2.0";
/// The longest time that a function may take, and what AWS sets if nothing is said (API Gateway developer guide,
/// quotas).
const TIMEOUT: i32 = 30_000;
/// How many seconds to wait for what becomes of a deployment.
const DEPLOYMENT: u32 = 10;

#[derive(Default)]
pub(super) struct Children {
    integrations: Vec<Integration>,
    routes: Vec<Route>,
    stages: Vec<Answer>,
}

impl Children {
    /// What is in an API. `None` if the API is gone.
    pub(super) async fn of(cx: &Cx, id: &str) -> Result<Option<Children>, Error> {
        let (integrations, routes, stages) = tokio::join!(integrations(cx, id), routes(cx, id), stages(cx, id));
        let integrations = Error::unless_gone(integrations, GONE)?;
        let (routes, stages) = (Error::unless_gone(routes, GONE)?, Error::unless_gone(stages, GONE)?);
        let (Some(integrations), Some(routes), Some(stages)) = (integrations, routes, stages) else {
            return Ok(None);
        };
        Ok(Some(Children { integrations, routes, stages }))
    }

    /// The part of the state that shows in the children.
    pub(super) fn state(&self) -> ApiState {
        let mut used = BTreeSet::new();
        let mut routes = BTreeMap::new();
        for route in &self.routes {
            used.extend(target(route));
            routes.insert(route.route_key().unwrap_or_default().to_owned(), self.does(route));
        }
        let id = |one: &Integration| one.integration_id().unwrap_or_default().to_owned();
        let spare = self.integrations.iter().filter(|one| !used.contains(id(one).as_str()));
        let name = |stage: &Answer| stage.stage_name().unwrap_or_default().to_owned();
        let others = self.stages.iter().filter(|stage| name(stage) != STAGE);
        let deployment = self.deployment();
        ApiState {
            routes,
            stage: self.stage().map(settings).unwrap_or_default(),
            integrations: spare.map(|one| (id(one), calls(one).into())).collect(),
            stages: others.map(|stage| (name(stage), "with every route".into())).collect(),
            stalled: has_failed(&deployment),
            deployment,
            ..ApiState::default()
        }
    }

    fn stage(&self) -> Option<&Answer> {
        self.stages.iter().find(|stage| stage.stage_name() == Some(STAGE))
    }

    fn deployment(&self) -> String {
        self.stage().and_then(Answer::last_deployment_status_message).unwrap_or_default().to_owned()
    }

    /// What a route does: the ARN of the function that it calls, or words.
    fn does(&self, route: &Route) -> String {
        let integration =
            target(route).and_then(|id| self.integrations.iter().find(|one| one.integration_id() == Some(id)));
        let calls = integration.map_or_else(|| "nothing".to_owned(), calls);
        match route.authorization_type() {
            None | Some(AuthorizationType::None) => calls,
            Some(by) => format!("{calls}, for those whom {} lets", by.as_str()),
        }
    }
}

/// Makes, changes and deletes children, one call after the other, until they are as wanted. The stage comes last, because
/// a stage without routes cannot be deployed.
pub(super) async fn build(cx: &Cx, id: &str, want: &ApiState, found: Children) -> Result<(), Error> {
    let before = found.deployment();
    let mut by_function: BTreeMap<String, String> = BTreeMap::new();
    for one in &found.integrations {
        by_function.entry(calls(one)).or_insert_with(|| one.integration_id().unwrap_or_default().to_owned());
    }
    for function in want.routes.values() {
        if !by_function.contains_key(function) {
            by_function.insert(function.clone(), integrate(cx, id, function).await?);
        }
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    // A change of any route starts a deployment anew.
    let mut again = has_failed(&before);
    for (key, function) in &want.routes {
        let integration = by_function[function].as_str();
        let route = found.routes.iter().find(|route| route.route_key() == Some(key));
        match route {
            Some(route) if found.does(route) == *function && !again => used.extend(target(route)),
            Some(route) => {
                lead(cx, id, route, integration).await?;
                used.insert(integration);
                again = false;
            }
            None => {
                let call = cx.apigateway_once.create_route().api_id(id).route_key(key);
                call.target(format!("integrations/{integration}")).send().await?;
                used.insert(integration);
                again = false;
            }
        }
    }
    for route in found.routes.iter().filter(|route| !want.routes.contains_key(route.route_key().unwrap_or_default())) {
        let call = cx.apigateway.delete_route().api_id(id).set_route_id(route.route_id.clone());
        Error::or_gone(call.send().await, GONE)?;
    }
    for one in found.integrations.iter().filter(|one| !used.contains(one.integration_id().unwrap_or_default())) {
        let call = cx.apigateway.delete_integration().api_id(id).set_integration_id(one.integration_id.clone());
        Error::or_gone(call.send().await, GONE)?;
    }
    for stage in found.stages.iter().filter(|stage| stage.stage_name() != Some(STAGE)) {
        let call = cx.apigateway.delete_stage().api_id(id).set_stage_name(stage.stage_name.clone());
        Error::or_gone(call.send().await, GONE)?;
    }
    match found.stage().map(settings) {
        Some(stage) if stage == want.stage => {}
        Some(_) => {
            let call = cx.apigateway.update_stage().api_id(id).stage_name(STAGE).auto_deploy(want.stage.deploys_itself);
            call.access_log_settings(log(want)).default_route_settings(limits(want)).send().await?;
        }
        None => {
            let call = cx.apigateway.create_stage().api_id(id).stage_name(STAGE).auto_deploy(want.stage.deploys_itself);
            call.access_log_settings(log(want)).default_route_settings(limits(want)).send().await?;
        }
    }
    deployed(cx, id, &before).await
}

/// Waits a while for what becomes of the deployment. Each deployment has a message of its own.
async fn deployed(cx: &Cx, id: &str, before: &str) -> Result<(), Error> {
    for _ in 0..DEPLOYMENT {
        let stage = cx.apigateway.get_stage().api_id(id).stage_name(STAGE).send().await?;
        if stage.last_deployment_status_message().is_some_and(|now| now != before) {
            return Ok(());
        }
        cx.clock.sleep(1.0).await;
    }
    Ok(())
}

/// Makes the integration of a function. AWS sets the method, which is always POST for a function.
async fn integrate(cx: &Cx, id: &str, function: &str) -> Result<String, Error> {
    let call = cx.apigateway_once.create_integration().api_id(id).integration_type(IntegrationType::AwsProxy);
    let call = call.integration_uri(function).payload_format_version(PAYLOAD);
    Ok(call.send().await?.integration_id.unwrap_or_default())
}

/// Leads a route to an integration, for everybody.
async fn lead(cx: &Cx, id: &str, route: &Route, integration: &str) -> Result<(), Error> {
    let call = cx.apigateway.update_route().api_id(id).set_route_id(route.route_id.clone());
    let call = call.target(format!("integrations/{integration}")).authorization_type(AuthorizationType::None);
    // An empty id takes the authorizer away.
    call.set_authorizer_id(route.authorizer_id().map(|_| String::new())).send().await?;
    Ok(())
}

fn log(want: &ApiState) -> AccessLogSettings {
    AccessLogSettings::builder().destination_arn(&want.stage.log_group).format(&want.stage.log_format).build()
}

fn limits(want: &ApiState) -> RouteSettings {
    let limits = RouteSettings::builder().throttling_rate_limit(want.stage.rate);
    limits.throttling_burst_limit(want.stage.burst).build()
}

/// The integration that a route leads to: `a1b2c3` of `integrations/a1b2c3`.
fn target(route: &Route) -> Option<&str> {
    route.target()?.strip_prefix("integrations/")
}

/// What an integration calls: the ARN of a function if it is as ours are, or words.
fn calls(one: &Integration) -> String {
    let uri = one.integration_uri().unwrap_or("nothing").to_owned();
    let plain = one.integration_type() == Some(&IntegrationType::AwsProxy)
        && one.payload_format_version() == Some(PAYLOAD)
        && one.timeout_in_millis().is_none_or(|timeout| timeout == TIMEOUT)
        && matches!(one.connection_type(), None | Some(ConnectionType::Internet))
        && one.credentials_arn().is_none()
        && one.request_parameters().is_none_or(|all| all.is_empty())
        && one.response_parameters().is_none_or(|all| all.is_empty());
    if plain { uri } else { format!("{uri}, in another way") }
}

fn settings(found: &Answer) -> Stage {
    let (limits, log) = (found.default_route_settings(), found.access_log_settings());
    Stage {
        deploys_itself: found.auto_deploy() == Some(true),
        rate: limits.and_then(RouteSettings::throttling_rate_limit).unwrap_or_default(),
        burst: limits.and_then(RouteSettings::throttling_burst_limit).unwrap_or_default(),
        // AWS takes a group's ARN with `:*` at its end too, and gives it back without.
        log_group: log
            .and_then(AccessLogSettings::destination_arn)
            .unwrap_or_default()
            .trim_end_matches(":*")
            .to_owned(),
        log_format: log.and_then(AccessLogSettings::format).unwrap_or_default().to_owned(),
    }
}

/// Whether the message of a deployment says that it failed: "Deployment attempt failed: …". A good one says
/// "Successfully deployed stage with deployment ID '…'".
fn has_failed(deployment: &str) -> bool {
    deployment.to_lowercase().contains("failed")
}

async fn integrations(cx: &Cx, id: &str) -> Result<Vec<Integration>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = cx.apigateway.get_integrations().api_id(id).set_next_token(next).send().await?;
        all.extend(page.items.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn routes(cx: &Cx, id: &str) -> Result<Vec<Route>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = cx.apigateway.get_routes().api_id(id).set_next_token(next).send().await?;
        all.extend(page.items.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn stages(cx: &Cx, id: &str) -> Result<Vec<Answer>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = cx.apigateway.get_stages().api_id(id).set_next_token(next).send().await?;
        all.extend(page.items.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "arn:aws:lambda:eu-west-1:123456789012:function:bell-dev-shop";

    fn integration(id: &str, payload: &str) -> Integration {
        let one = Integration::builder().integration_id(id).integration_type(IntegrationType::AwsProxy);
        one.integration_uri(SHOP).payload_format_version(payload).timeout_in_millis(30_000).build()
    }

    fn route(key: &str, integration: &str) -> Route {
        Route::builder().route_key(key).target(format!("integrations/{integration}")).build()
    }

    /// Answers in the form of GetRoutes, GetIntegrations and GetStages of the API Gateway V2 API reference.
    #[test]
    fn what_is_half_made_or_changed_shows() {
        let stage =
            |name: &str, said: &str| Answer::builder().stage_name(name).last_deployment_status_message(said).build();
        let open = route("GET /", "a");
        let guarded = Route::builder().authorization_type(AuthorizationType::AwsIam);
        let guarded = guarded.route_key("POST /").target("integrations/a").build();
        let found = Children {
            integrations: vec![integration("a", "2.0"), integration("b", "1.0"), integration("c", "2.0")],
            routes: vec![open, guarded, route("PUT /", "b"), route("DELETE /", "gone")],
            stages: vec![stage(STAGE, "Deployment attempt failed: no routes"), stage("by-hand", "")],
        };
        let state = found.state();
        assert_eq!(state.routes["GET /"], SHOP);
        assert_eq!(state.routes["POST /"], format!("{SHOP}, for those whom AWS_IAM lets"));
        assert_eq!(state.routes["PUT /"], format!("{SHOP}, in another way"));
        assert_eq!(state.routes["DELETE /"], "nothing");
        assert_eq!(state.integrations.into_keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(state.stages.into_keys().collect::<Vec<_>>(), ["by-hand"]);
        assert!(state.stalled);
        assert!(!has_failed("Successfully deployed stage with deployment ID 'a1b2c3'"));
    }
}
