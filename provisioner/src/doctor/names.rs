//! Names that a deleted resource still holds: a queue for 60 s, a secret until its recovery window is over, and any
//! resource while it is being deleted.

use futures_util::future::join_all;

use super::{Checked, Finding, Scene};
use crate::aws::{Error, each};
use crate::kind::{Kind, Status};
use crate::kinds::secretsmanager::Secret;
use crate::kinds::sqs::Queue;
use crate::plan::{Action, Step};

const NAME: &str = "names";

/// A kind whose names rest for a while after a resource was deleted.
struct Resting {
    kind: &'static str,
    look: for<'a> fn(&'a Scene<'a>, Vec<Made>) -> Checked<'a>,
}

/// A resource that the plan makes: its address, and its name in AWS.
type Made = (String, String);

const RESTING: &[Resting] = &[
    Resting { kind: Queue::FACTS.name, look: |scene, made| Box::pin(queues(scene, made)) },
    Resting { kind: Secret::FACTS.name, look: |scene, made| Box::pin(secrets(scene, made)) },
];

#[cfg(test)]
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    RESTING.iter().map(|resting| resting.kind)
}

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = going(scene);
    for found in join_all(RESTING.iter().map(|resting| (resting.look)(scene, named(scene, resting.kind)))).await {
        findings.extend(found?);
    }
    if findings.is_empty() && scene.plan.changes().any(|step| matches!(step.action, Action::Create { .. })) {
        findings.push(Finding::ok(NAME, "every name is free"));
    }
    Ok(findings)
}

/// Resources that are being deleted and are to be made again. The engine waits for them.
fn going(scene: &Scene<'_>) -> Vec<Finding> {
    let goes = |live: &&crate::kind::any::AnyLive| {
        live.status == Status::Deleting && scene.desired.get(&live.address).is_some()
    };
    let going = scene.snapshot.live.values().filter(goes);
    let told = |live: &crate::kind::any::AnyLive| match live.owner.is_ours() {
        true => {
            let what = format!("{} is still being deleted", live.address);
            Finding::warning(NAME, what, "nothing: `up` waits until its name is free, some minutes for data")
        }
        false => {
            let what = format!(
                "`{}`, which this stack did not make, is being deleted and holds the name of {}",
                live.id, live.address
            );
            Finding::warning(NAME, what, "nothing: `up` waits until its name is free")
        }
    };
    going.map(told).collect()
}

/// Checks queues. A deleted queue is listed for a while, although it is not there any more.
async fn queues(scene: &Scene<'_>, made: Vec<Made>) -> Result<Vec<Finding>, Error> {
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let call = scene.cx.sqs.list_queues().queue_name_prefix(scene.cx.scope.prefix()).max_results(1000);
    let urls = call.into_paginator().items().send().try_collect().await?;
    let listed = |name: &String| urls.iter().any(|url| url.rsplit('/').next() == Some(name));
    let blocked = made.into_iter().filter(|(_, name)| listed(name));
    let told = |(address, name): (String, String)| {
        let what = format!("{address}: a queue `{name}` was deleted less than 60 s ago");
        Finding::warning(NAME, what, "nothing: `up` waits for the rest of that minute")
    };
    Ok(blocked.map(told).collect())
}

/// Checks secrets. `up` restores a deleted secret of this stack. A deleted secret of another stack holds the name until
/// the day of its deletion.
async fn secrets(scene: &Scene<'_>, made: Vec<Made>) -> Result<Vec<Finding>, Error> {
    let found = each(made, |(address, name)| async move {
        let answer = scene.cx.secrets.describe_secret().secret_id(&name).send().await;
        let Some(secret) = Error::unless_gone(answer, &["ResourceNotFoundException"])? else {
            return Ok(None);
        };
        let Some(deleted) = secret.deleted_date() else {
            return Ok(None);
        };
        let tags = secret.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
        let day = deleted.to_string();
        let day = day.split('T').next().unwrap_or_default();
        Ok(match scene.cx.scope.whose(tags, None) {
            Some(_) => Some(Finding::ok(
                NAME,
                format!("the secret `{name}` was deleted, and `up` restores it with a new value"),
            )),
            None => Some(Finding::stop(
                NAME,
                format!(
                    "{address}: a secret `{name}` that this stack did not make is to be deleted on {day}, and holds the name until then"
                ),
                format!(
                    "restore it, or end it now: aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {name}"
                ),
            )),
        })
    });
    let found: Result<Vec<Option<Finding>>, Error> = found.await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

fn named(scene: &Scene<'_>, kind: &str) -> Vec<Made> {
    let made = scene.plan.steps.iter().filter(|step| step.address.kind == kind);
    let name = |step: &Step| match &step.action {
        Action::Create { want } => Some((step.address.to_string(), want.get("name").as_str()?.to_owned())),
        _ => None,
    };
    made.filter_map(name).collect()
}
