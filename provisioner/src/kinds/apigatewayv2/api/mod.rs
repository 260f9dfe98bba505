//! `apigatewayv2.api`: an HTTP API with its integrations, its routes and its only stage.
//!
//! It is one kind, because API Gateway takes one change of an API at a time (ConflictException), and because deleting an
//! API takes everything in it along. AWS draws the ids, nothing has a unique name, and no create takes a token. So an
//! API is found by its tags, which one `GetApis` shows for all, and creates are not repeated before a look. Three more
//! calls show what is in an API. What a run that was cut off has left half made differs from what is wanted, and an
//! update finishes it.
//!
//! A route leads to an integration, and an integration calls a function, with events of payload 2.0. There is one
//! integration for each function. The ARN of a function follows from its name, so an API need not wait for its
//! functions, and a function may have the API's address in its environment. `lambda.permission` lets the API in.
//!
//! The stage is `$default`, so that the address has no stage in its path. It deploys every change by itself. If a
//! deployment fails, no call fails: only `LastDeploymentStatusMessage` tells it.
//!
//! A name has at most 128 characters; an API has at most 300 routes and as many integrations (API Gateway developer
//! guide, quotas). All calls end within a second. CloudWatch Logs needs no role of ours for the access log, but the
//! caller's rights to set up a delivery, and it keeps the name of each group in a policy with 5,120 characters for the
//! whole account. Groups under `/aws/vendedlogs/` share one entry there (API Gateway developer guide, "Configuring
//! logging for an HTTP API").
//!
//! Routes, integrations and stages that others have added answer requests, or may. They are taken away.

mod children;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aws_sdk_apigatewayv2::types::{Api as Answer, Cors as Answered, ProtocolType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use self::children::Children;
use super::path_arn;
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, collect};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::lambda::{Function, function_arn};
use crate::kinds::logs::LogGroup;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Api;

#[derive(Serialize, Deserialize)]
pub struct ApiSpec {
    pub routes: Vec<ApiRoute>,
    pub cors: Option<Cors>,
    /// The requests a second that the stage takes.
    pub rate: u32,
    /// The requests at once that the stage takes.
    pub burst: u32,
    pub log_group: Ref<LogGroup>,
}

#[derive(Serialize, Deserialize)]
pub struct ApiRoute {
    /// A method and a path, such as `POST /item/{id}`, or `$default`.
    pub key: String,
    /// The function. A spec holds only its name: a reference would make the API wait for the function, which may wait
    /// for the API's address.
    #[serde(serialize_with = "only_name", deserialize_with = "by_name")]
    pub function: Ref<Function>,
}

/// The rules by which browsers let pages of other origins call the API.
#[derive(Serialize, Deserialize)]
pub struct Cors {
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    pub headers: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApiState {
    pub name: String,
    /// Whether the API answers at the address that AWS gives it.
    pub has_address: bool,
    /// The rules of CORS. They are empty if there are none.
    pub cors: Crossing,
    /// The function that each route calls, by ARN. A route that does something else says it in words.
    pub routes: BTreeMap<String, String>,
    pub stage: Stage,
    /// The integrations that no route of ours uses, each with what it calls.
    pub integrations: BTreeMap<String, Value>,
    /// The stages beside `$default`.
    pub stages: BTreeMap<String, Value>,
    /// Whether the last deployment failed.
    pub stalled: bool,
    /// The state of the last deployment, in AWS's words.
    pub deployment: String,
}

/// The rules of [`Cors`] as AWS keeps them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    pub origins: BTreeSet<String>,
    pub methods: BTreeSet<String>,
    /// The headers, in lower case, because case means nothing in them.
    pub headers: BTreeSet<String>,
    pub exposed: BTreeSet<String>,
    pub credentials: bool,
    pub max_age: i32,
}

/// The settings of the stage `$default`. They are empty as long as there is no stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub deploys_itself: bool,
    pub rate: f64,
    pub burst: i32,
    pub log_group: String,
    pub log_format: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApiOutput {
    pub id: String,
    pub arn: String,
    /// The scheme and the host, without a slash at the end.
    pub url: String,
}

impl Kind for Api {
    const FACTS: Facts = Facts {
        name: "apigatewayv2.api",
        fields: &[
            Field::wanted("name"),
            Field::wanted("has_address"),
            Field::wanted("cors"),
            Field::wanted("routes"),
            Field::wanted("stage"),
            Field::beside("integrations", "integration"),
            Field::beside("stages", "stage"),
            Field::wanted("stalled"),
            Field::theirs("deployment"),
        ],
        seconds: Seconds { create: 5, update: 5, delete: 1 },
        unnamed: true,
        serves: true,
        retry: &[
            // Another call for the same API is under way, or a look has missed a child that is there already.
            Retry::code("ConflictException", 60),
            Retry::code("NotFoundException", 30),
            // CloudWatch Logs does not see a new group at once. AWS says the same if the caller lacks the rights.
            Retry::saying("BadRequestException", "permissions to enable logging", 30),
        ],
        actions: &[
            "apigateway:DELETE",
            "apigateway:GET",
            "apigateway:PATCH",
            "apigateway:POST",
            "apigateway:PUT",
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ApiSpec;
    type State = ApiState;
    type Output = ApiOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &ApiSpec, outputs: &Outputs) -> Result<ApiState, Missing> {
        let cors = spec.cors.as_ref().map(|cors| Crossing {
            origins: cors.origins.iter().cloned().collect(),
            methods: cors.methods.iter().cloned().collect(),
            headers: cors.headers.iter().map(|header| header.to_lowercase()).collect(),
            ..Crossing::default()
        });
        let function = |route: &ApiRoute| (route.key.clone(), function_arn(scope, &route.function.name));
        Ok(ApiState {
            name: scope.name(name, 128),
            has_address: true,
            cors: cors.unwrap_or_default(),
            routes: spec.routes.iter().map(function).collect(),
            stage: Stage {
                deploys_itself: true,
                rate: spec.rate.into(),
                burst: i32::try_from(spec.burst).unwrap_or(i32::MAX),
                log_group: outputs.get(&spec.log_group)?.arn,
                log_format: log_format(),
            },
            ..ApiState::default()
        })
    }
}

impl OnAws for Api {
    async fn read(cx: &Cx, _: &Query<'_, Api>) -> Result<Vec<Live<Api>>, Error> {
        let mut ours = Vec::new();
        for api in listed(cx).await? {
            if let Some(whose) = cx.scope.whose(api.tags().into_iter().flatten(), None) {
                ours.push((whose, api));
            }
        }
        let mut live: Vec<Live<Api>> = collect(ours, |(whose, api)| one(cx, whose, api)).await?;
        // A second API of one name, which a lost answer may have left, gets a name of its own, so that it goes.
        live.sort_by_cached_key(|live| (usize::MAX - live.state.routes.len(), live.id.clone()));
        let mut seen = HashSet::new();
        for live in &mut live {
            if !seen.insert(live.name.clone()) {
                live.name = format!("{}-{}", live.name, live.output.id);
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &ApiState) -> Result<ApiOutput, Error> {
        let call = cx.apigateway_once.create_api().name(&want.name).protocol_type(ProtocolType::Http);
        let call = call.set_cors_configuration(rules(want));
        let made = call.set_tags(Some(cx.scope.tags(name).into_iter().collect())).send().await?;
        let id = made.api_id.unwrap_or_default();
        let built = children::build(cx, &id, want, Children::default()).await;
        built.map_err(|error| {
            // The API exists by now, so the engine has to look for it, and must not make another one.
            Error { ambiguous: error.worth_retrying(&Api::FACTS).is_some(), ..error }
        })?;
        Ok(output(cx, id, made.api_endpoint))
    }

    async fn update(cx: &Cx, live: &Live<Api>, want: &ApiState, changed: &Changed) -> Result<(), Error> {
        let id = &live.output.id;
        if changed.has("cors") && want.cors == Crossing::default() {
            cx.apigateway.delete_cors_configuration().api_id(id).send().await?;
        }
        if changed.any(&["name", "has_address", "cors"]) {
            let call = cx.apigateway.update_api().api_id(id).name(&want.name);
            let call = call.disable_execute_api_endpoint(!want.has_address);
            call.set_cors_configuration(rules(want)).send().await?;
        }
        if changed.any(&["routes", "stage", "integrations", "stages", "stalled"])
            && let Some(found) = Children::of(cx, id).await?
        {
            children::build(cx, id, want, found).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Api>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.apigateway.delete_api().api_id(&live.output.id).send().await, children::GONE)
    }

    async fn explain(cx: &Cx, live: &Live<Api>) -> Evidence {
        let mut evidence = Evidence::default();
        if !live.state.deployment.is_empty() {
            evidence.lines.push(format!("stage $default: {}", live.state.deployment));
        }
        let answer = cx.apigateway.get_deployments().api_id(&live.output.id).send().await;
        for found in evidence.read("the deployments", answer).iter().flat_map(|answer| answer.items()) {
            if let Some(why) = found.deployment_status_message().filter(|why| !why.is_empty()) {
                evidence.lines.push(format!("deployment {}: {why}", found.deployment_id().unwrap_or_default()));
            }
        }
        evidence
    }
}

/// The line of the access log, as JSON. It has the reason why a function was not called: nobody else hears it (API
/// Gateway developer guide, "Customizing HTTP API access logs").
fn log_format() -> String {
    let values = [
        "requestId",
        "requestTime",
        "httpMethod",
        "path",
        "routeKey",
        "status",
        "responseLength",
        "responseLatency",
        "integrationErrorMessage",
        "error.message",
    ];
    let members: Vec<String> = values.iter().map(|value| format!(r#""{value}":"$context.{value}""#)).collect();
    format!("{{{}}}", members.join(","))
}

fn output(cx: &Cx, id: String, endpoint: Option<String>) -> ApiOutput {
    let url = endpoint.unwrap_or_default().trim_end_matches('/').to_owned();
    ApiOutput { arn: path_arn(&cx.scope, &format!("/apis/{id}")), id, url }
}

/// Every API of the account.
async fn listed(cx: &Cx) -> Result<Vec<Answer>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = cx.apigateway.get_apis().set_next_token(next).send().await?;
        all.extend(page.items.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn one(cx: &Cx, whose: (String, Owner), api: Answer) -> Result<Option<Live<Api>>, Error> {
    let id = api.api_id().unwrap_or_default().to_owned();
    let Some(found) = Children::of(cx, &id).await? else {
        return Ok(None);
    };
    let state = ApiState {
        name: api.name().unwrap_or_default().to_owned(),
        has_address: api.disable_execute_api_endpoint() != Some(true),
        cors: api.cors_configuration().map(crossed).unwrap_or_default(),
        ..found.state()
    };
    let status = if state.stalled { Status::Failed(state.deployment.clone()) } else { Status::Ready };
    let output = output(cx, id, api.api_endpoint);
    Ok(Some(Live { status, ..Live::ready(whose, output.arn.clone(), state, output) }))
}

fn rules(want: &ApiState) -> Option<Answered> {
    (want.cors != Crossing::default()).then(|| crossing(&want.cors))
}

fn crossing(want: &Crossing) -> Answered {
    let list = |values: &BTreeSet<String>| Some(values.iter().cloned().collect());
    let rules = Answered::builder().set_allow_origins(list(&want.origins)).set_allow_methods(list(&want.methods));
    rules.set_allow_headers(list(&want.headers)).build()
}

fn crossed(found: &Answered) -> Crossing {
    Crossing {
        origins: found.allow_origins().iter().cloned().collect(),
        methods: found.allow_methods().iter().cloned().collect(),
        headers: found.allow_headers().iter().map(|header| header.to_lowercase()).collect(),
        exposed: found.expose_headers().iter().cloned().collect(),
        credentials: found.allow_credentials() == Some(true),
        max_age: found.max_age().unwrap_or_default(),
    }
}

fn only_name<S: Serializer>(function: &Ref<Function>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&function.name)
}

fn by_name<'de, D: Deserializer<'de>>(from: D) -> Result<Ref<Function>, D::Error> {
    Ok(Ref::to(String::deserialize(from)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_format_is_one_that_aws_takes() {
        let format = log_format();
        assert!(format.contains("$context.requestId") && format.len() <= 1024, "{format}");
        assert!(serde_json::from_str::<Value>(&format).is_ok());
    }

    /// A function may have the API's address in its environment, so the API must not refer to the function.
    #[test]
    fn an_api_waits_for_no_function() {
        let route = ApiRoute { key: "GET /".into(), function: Ref::to("shop") };
        let written = serde_json::to_value(&route).expect("plain data");
        assert_eq!(written, serde_json::json!({"key": "GET /", "function": "shop"}));
        let read: ApiRoute = serde_json::from_value(written).expect("the same");
        assert_eq!(read.function.name, "shop");
    }

    #[test]
    fn what_we_send_reads_back_as_what_we_want() {
        let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
        let want = Crossing {
            origins: set(&["https://shop.example"]),
            methods: set(&["GET", "POST"]),
            headers: set(&["content-type"]),
            ..Crossing::default()
        };
        assert_eq!(crossed(&crossing(&want)), want);
    }
}
