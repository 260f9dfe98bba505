//! AWS Lambda.

mod beside;
mod call;
mod function;
mod leaving;
mod migration;
mod permission;
mod source;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub use call::{call, given_back};
pub use function::{
    Function, FunctionOutput, FunctionSecret, FunctionSpec, FunctionState, Inside, Reserved, WayOut, function_arn,
};
pub use migration::{Migration, MigrationOutput, MigrationSpec, MigrationState};
pub use permission::{Permission, PermissionOutput, PermissionSource, PermissionSpec, PermissionState};
pub use source::{Reads, Source, SourceOutput, SourceSpec, SourceState, StreamState};

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
    // The environment of a function may hold a secret. A mapping holds none, and AWS draws its id.
    reads: Some(|scope| {
        vec![On::Named("function:").arn(scope, "lambda"), On::Type("event-source-mapping:*").arn(scope, "lambda")]
    }),
    writes: &[
        Writes::new(
            Actions::EveryBut(&[
                "lambda:CreateEventSourceMapping",
                "lambda:DeleteEventSourceMapping",
                "lambda:UpdateEventSourceMapping",
            ]),
            &[On::Named("function:")],
            Bound::Name,
        ),
        // A mapping that is not there yet has no ARN.
        Writes::new(Actions::These(&["lambda:CreateEventSourceMapping"]), &[On::Everything], OF_OUR_FUNCTIONS),
        Writes::new(
            Actions::These(&["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]),
            &[On::Type("event-source-mapping:*")],
            OF_OUR_FUNCTIONS,
        ),
        Writes::new(
            Actions::These(&["lambda:TagResource"]),
            &[On::Type("event-source-mapping:*")],
            Bound::Adopted {
                because: "CreateEventSourceMapping with tags asks for it, and AWS draws the id of a mapping",
            },
        ),
        Writes::new(Actions::These(&["lambda:UntagResource"]), &[On::Type("event-source-mapping:*")], Bound::OldTag),
    ],
    for_roles: None,
    on_everything: &["lambda:GetAccountSettings", "lambda:ListEventSourceMappings"],
    dependent: &[Dependent::on("lambda:TagResource", "creates with tags", "lambda")],
    types: &[],
    section,
    only_ready: "a function runs when it is called",
};

/// A mapping has no name, but it is for a function that has one.
const OF_OUR_FUNCTIONS: Bound =
    Bound::By("ArnLike", "lambda:FunctionArn", |scope| On::Named("function:").arn(scope, "lambda"));

fn section(resource: &str, name: &str) -> Option<String> {
    match (resource, name) {
        ("function", "forwarder") => whole("logs"),
        ("permission", name) if name.starts_with("logs-") => whole("logs"),
        ("permission", name) => below("functions", name.rsplit_once('-').map_or(name, |(function, _)| function)),
        ("source", name) => below("functions", name.rsplit_once("-to-").map_or(name, |(_, function)| function)),
        ("function" | "migration", name) => below("functions", name),
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
