//! Amazon SQS.

mod queue;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, below, whole};

pub use queue::{DeadLetter, Queue, QueueOutput, QueueSpec, QueueState, queue_name};

pub static SERVICE: Service = Service {
    name: "sqs",
    prefix: "sqs",
    signs_as: "sqs",
    tags: Some(TagCalls {
        put_action: "sqs:TagQueue",
        remove_action: "sqs:UntagQueue",
        put: |cx, url, tags| Box::pin(put_tags(cx, url, tags)),
        remove: |cx, url, keys| Box::pin(remove_tags(cx, url, keys)),
    }),
    rates: &[Rate::of("sqs", Calls::All, 200.0, 100.0)],
    reads: None,
    writes: &[Writes::new(Actions::Every, &[On::Named("")], Bound::Name)],
    for_roles: None,
    on_everything: &["sqs:ListQueues"],
    dependent: &[
        Dependent::on(
            "sqs:DeleteMessage",
            "StartMessageMoveTask and those that watch and cancel it take messages away",
            "sqs",
        ),
        Dependent::on(
            "sqs:ReceiveMessage",
            "StartMessageMoveTask and those that watch and cancel it read messages",
            "sqs",
        ),
        Dependent::on("sqs:SendMessage", "StartMessageMoveTask puts messages into the other queue", "sqs"),
        Dependent::on("sqs:TagQueue", "CreateQueue with tags", "sqs"),
    ],
    types: &[],
    section,
    only_ready: "",
};

fn section(resource: &str, name: &str) -> Option<String> {
    match (resource, name.strip_suffix("-failed")) {
        ("queue", Some("forwarder")) => whole("logs"),
        ("queue", Some(function)) => below("functions", function),
        ("queue", None) => below("queues", name.strip_suffix("-dead-letter").unwrap_or(name)),
        _ => None,
    }
}

async fn put_tags(cx: &Cx, url: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.sqs.tag_queue().queue_url(url).set_tags(Some(tags.into_iter().collect())).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, url: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.sqs.untag_queue().queue_url(url).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}
