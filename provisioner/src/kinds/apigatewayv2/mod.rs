//! Amazon API Gateway, version 2: HTTP APIs.
//!
//! IAM knows only the methods of this service (`apigateway:POST`), and the ARNs of its paths, which have no account.
//! Tags have paths of their own: a create with tags is asked for on `/tags/` too.

mod api;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};
use crate::scope::Scope;

pub use api::{Api, ApiOutput, ApiRoute, ApiSpec, ApiState, Cors, Crossing, Stage};

pub static SERVICE: Service = Service {
    name: "apigatewayv2",
    prefix: "apigateway",
    signs_as: "apigateway",
    tags: Some(TagCalls {
        put_action: "apigateway:POST",
        remove_action: "apigateway:DELETE",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    // AWS publishes no number for most calls of version 2.
    rates: &[Rate::of("apigateway", Calls::All, 20.0, 10.0)],
    reads: Some(|scope| PATHS.iter().map(|path| path.arn(scope, "apigateway")).collect()),
    writes: &[Writes::new(
        Actions::Every,
        PATHS,
        Bound::Nothing { because: "AWS draws the id of an API, and what is in an API has no tags of its own" },
    )],
    for_roles: None,
    on_everything: &[],
    dependent: &[Dependent::on("apigateway:PUT", "CreateApi and CreateStage with tags", "apigatewaymanagementv2")],
    types: &[],
    section,
    only_ready: "",
};

const PATHS: &[On] =
    &[On::NamedBy(|scope, _| path_arn(scope, "/apis*")), On::NamedBy(|scope, _| path_arn(scope, "/tags/*"))];

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "api" => whole("api"),
        _ => None,
    }
}

/// The ARN of a path: `arn:aws:apigateway:eu-west-1::/apis/a1b2c3`.
fn path_arn(scope: &Scope, path: &str) -> String {
    format!("arn:{}:apigateway:{}::{path}", scope.partition(), scope.region)
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.apigateway.tag_resource().resource_arn(arn).set_tags(Some(tags.into_iter().collect())).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.apigateway.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
