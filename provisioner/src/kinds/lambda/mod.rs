//! AWS Lambda.

mod beside;
mod function;
mod leaving;
mod permission;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Dependent, On, Service, TagCalls, whole};

pub use function::{Function, FunctionOutput, FunctionSpec, FunctionState, Inside};
pub use permission::{Permission, PermissionOutput, PermissionSpec, PermissionState};

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
    on_everything: &["lambda:ListEventSourceMappings"],
    dependent: &[
        Dependent::on("lambda:ListTags", "GetFunction shows tags", "lambda"),
        Dependent::on("lambda:TagResource", "CreateFunction with tags", "lambda"),
    ],
    types: &[],
    section,
    only_ready: "a function runs when it is called",
};

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "function" | "permission" => whole("logs"),
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
