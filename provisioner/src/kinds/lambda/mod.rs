//! AWS Lambda.

mod beside;
mod function;
mod leaving;
mod permission;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

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
    // The environment of a function may hold a secret.
    reads: Some(|scope| vec![On::Named("function:").arn(scope, "lambda")]),
    writes: &[
        Writes::new(Actions::EveryBut(&["lambda:DeleteEventSourceMapping"]), &[On::Named("function:")], Bound::Name),
        // AWS draws the id of a mapping.
        Writes::new(
            Actions::These(&["lambda:DeleteEventSourceMapping"]),
            &[On::Type("event-source-mapping:*")],
            Bound::By("ArnLike", "lambda:FunctionArn", |scope| On::Named("function:").arn(scope, "lambda")),
        ),
    ],
    for_roles: None,
    on_everything: &["lambda:ListEventSourceMappings"],
    dependent: &[Dependent::on("lambda:TagResource", "CreateFunction with tags", "lambda")],
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
