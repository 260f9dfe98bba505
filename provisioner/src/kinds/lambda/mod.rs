//! AWS Lambda.

mod beside;
mod function;
mod leaving;
mod permission;
mod source;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Dependent, On, Service, TagCalls, below, whole};

pub use function::{
    Function, FunctionOutput, FunctionSecret, FunctionSpec, FunctionState, Inside, Reserved, WayOut, function_arn,
};
pub use permission::{Permission, PermissionOutput, PermissionSource, PermissionSpec, PermissionState};
pub use source::{Source, SourceOutput, SourceSpec, SourceState};

pub static SERVICE: Service = Service {
    name: "lambda",
    prefix: "lambda",
    signs_as: "lambda",
    tags: Some(TagCalls {
        put_action: "lambda:TagResource",
        remove_action: "lambda:UntagResource",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("lambda", Calls::All, 15.0, 15.0)],
    reads: None,
    writes: &[
        On::Named("function:"),
        On::Every { resource: "event-source-mapping:*", because: "AWS draws the id of a mapping" },
    ],
    for_roles: None,
    // A create of a mapping has no ARN yet.
    on_everything: &["lambda:CreateEventSourceMapping", "lambda:GetAccountSettings", "lambda:ListEventSourceMappings"],
    dependent: &[Dependent::on("lambda:TagResource", "creates with tags", "lambda")],
    types: &[],
    section,
    only_ready: "a function runs when it is called",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match (resource, name) {
        ("function", "forwarder") => whole("logs"),
        ("permission", name) if name.starts_with("logs-") => whole("logs"),
        ("function" | "permission" | "source", name) => below("functions", name),
        _ => None,
    }
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.lambda.tag_resource().resource(arn).set_tags(Some(tags.into_iter().collect())).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.lambda.untag_resource().resource(arn).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
