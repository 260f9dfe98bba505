//! HTTP APIs, and rules that call a function.

use super::{Verdict, refuse};
use crate::account::{Account, Thing};
use crate::request::Request;

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let api = request.text("ApiId")?;
    let of = |kind: &'static str| account.of_kind(&request.home, kind).filter(move |thing| thing.text("ApiId") == Some(api));
    match request.action.as_str() {
        "CreateRoute" | "UpdateRoute" => {
            let (key, target) = (request.text("routeKey"), request.text("target"));
            let is_twin = |route: &Thing| request.action == "CreateRoute" && route.text("routeKey") == key;
            if of("apigatewayv2.route").any(is_twin) {
                let message = format!("Route with key {} already exists for this API", key.unwrap_or_default());
                return refuse("duplicate-route", 409, "ConflictException", message);
            }
            let id = target?.strip_prefix("integrations/")?;
            let is_there = of("apigatewayv2.integration").any(|integration| integration.id == id);
            let message = format!("Unable to find Integration by ID {id} within the API {api}");
            if is_there { None } else { refuse("route-to-nothing", 404, "NotFoundException", message) }
        }
        "DeleteIntegration" => {
            let target = format!("integrations/{}", request.text("IntegrationId")?);
            let route = of("apigatewayv2.route").find(|route| route.text("target") == Some(&target))?;
            let key = route.text("routeKey").unwrap_or_default();
            let message = format!("Cannot delete Integration because it is referenced by the following Routes: {key}");
            refuse("integration-in-use", 409, "ConflictException", message)
        }
        _ => None,
    }
}

pub(super) fn judge_rule(account: &Account, request: &Request) -> Option<Verdict> {
    if request.action != "DeleteRule" {
        return None;
    }
    let rule = format!("{}/", request.text("Name")?);
    let has_targets = account.of_kind(&request.home, "events.target").any(|target| target.id.starts_with(&rule));
    let message = "Rule can't be deleted since it has targets.";
    if has_targets { refuse("rule-with-targets", 400, "ValidationException", message) } else { None }
}
