//! Carries out one action on one resource: it observes, then acts, until the resource is as wanted or there is no point
//! in going on.

use std::time::Instant;

use crate::aws::{Cx, Error, Look};
use crate::kind::any::AnyLive;
use crate::kind::board::Board;
use crate::kind::facts::{Effect, Facts};
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Late, Status};
use crate::kinds;
use crate::kinds::on_aws::{AnyOnAws, Changed, LastWish};
use crate::kinds::service::Retag;
use crate::plan::diff::{TAGS, changes};
use crate::wait::back_off;

/// What an action needs to know. All of it is a copy, so that actions can run at the same time.
pub(super) struct Target {
    pub(super) kind: &'static dyn AnyOnAws,
    pub(super) name: String,
    pub(super) spec: Json,
    pub(super) want: Json,
    pub(super) live: Option<AnyLive>,
    /// The outputs as they are now, for kinds that read children through their parents.
    pub(super) board: Board,
    /// Whether the resource may exist although the snapshot did not show it: the run before this one was cut off.
    pub(super) may_exist_unseen: bool,
    /// Whether the plan showed a change, or an input has changed since.
    pub(super) planned: bool,
}

pub(super) enum Did {
    Nothing(AnyLive),
    Created(Json),
    Updated(AnyLive),
}

/// A service shows a new resource only after a while. So we look this many times before we believe that it does not
/// exist.
const LOOKS: u32 = 5;

pub(super) async fn make(cx: &Cx, mut target: Target) -> Result<Did, Error> {
    let facts = target.kind.facts();
    let started = Instant::now();
    if target.live.is_none() && target.may_exist_unseen && facts.unnamed {
        target.live = look(cx, &target, LOOKS).await?;
    }
    let mut attempt = 0;
    loop {
        let error = match once(cx, &target, facts).await {
            Ok(did) => return Ok(did),
            Err(Refusal::Final(error)) => return Err(error),
            Err(Refusal::Aws(error)) => error,
        };
        let taken = target.live.is_none() && error.is(facts.exists);
        let patience = match error.worth_retrying(facts).or_else(|| cx.new_key.worth_retrying(cx.clock, &error)) {
            Some(seconds) => seconds,
            None if taken => 120,
            None => return Err(stopping(cx, error)),
        };
        if cx.clock.is_over(started, f64::from(patience)) {
            return Err(error);
        }
        cx.clock.sleep(back_off(attempt)).await;
        attempt += 1;
        let looks = if target.live.is_none() && (error.ambiguous || taken) { LOOKS } else { 1 };
        target.live = look(cx, &target, looks).await?.or(target.live);
    }
}

pub(super) async fn remove(
    cx: &Cx,
    kind: &'static dyn AnyOnAws,
    live: AnyLive,
    last: LastWish,
    unprotect: bool,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        may_write(cx)?;
        let result = match unprotect {
            true => match kind.unprotect(cx, &live).await {
                Ok(()) => kind.delete(cx, &live, last).await,
                Err(error) => Err(error),
            },
            false => kind.delete(cx, &live, last).await,
        };
        let error = match result {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match error.worth_retrying(kind.facts()) {
            Some(seconds) if !cx.clock.is_over(started, f64::from(seconds)) => {}
            _ => return Err(stopping(cx, error)),
        }
        cx.clock.sleep(back_off(attempt)).await;
        attempt += 1;
    }
}

enum Refusal {
    Aws(Error),
    Final(Error),
}

async fn once(cx: &Cx, target: &Target, facts: &Facts) -> Result<Did, Refusal> {
    let Some(live) = &target.live else {
        may_write(cx).map_err(Refusal::Final)?;
        return target.kind.create(cx, &target.name, &target.want).await.map(Did::Created).map_err(Refusal::Aws);
    };
    if !live.owner.is_ours() {
        return Err(Refusal::Final(foreign(live)));
    }
    let changes = changes(&cx.scope, facts, live, &target.want);
    if changes.is_empty() {
        return Ok(Did::Nothing(live.clone()));
    }
    if let Some(change) = changes.iter().find(|change| change.effect == Effect::Replace) {
        let text = format!(
            "`{}` is {} and has to be {}, which takes a replacement that the plan did not show. Run `provision plan`",
            change.path, change.from, change.to
        );
        return Err(Refusal::Final(Error::ours(text)));
    }
    if !target.planned {
        let text = format!("`{}` has moved since the plan was made. Run again", changes[0].path);
        return Err(Refusal::Final(Error::ours(text)));
    }
    may_write(cx).map_err(Refusal::Final)?;
    let mut fields: Vec<String> = changes.iter().map(|change| change.field().to_owned()).collect();
    fields.dedup();
    let others = fields.len();
    fields.retain(|field| field != TAGS);
    if fields.len() < others {
        retag(cx, live).await.map_err(Refusal::Aws)?;
    }
    if fields.is_empty() {
        return Ok(Did::Updated(live.clone()));
    }
    match target.kind.update(cx, live, &target.want, &Changed(fields)).await {
        Ok(()) => Ok(Did::Updated(live.clone())),
        Err(error) => Err(Refusal::Aws(error)),
    }
}

/// Puts all tags of this stack on a resource, and takes away those that the stack file no longer has.
pub(crate) async fn retag(cx: &Cx, live: &AnyLive) -> Result<(), Error> {
    let remove = match &live.owner {
        Owner::Tagged(tags) => {
            let retags = cx.scope.retags(tags).into_iter();
            retags.filter(|(.., to)| to.is_none()).map(|(key, ..)| key).collect()
        }
        Owner::Child | Owner::Beside(_) | Owner::Foreign => Vec::new(),
    };
    let put = cx.scope.tags(&live.address.name);
    match kinds::tag_calls(live.address.kind) {
        Ok(calls) => calls.retag(cx, &live.id, Retag { put, remove }).await,
        Err(why) => Err(Error::ours(format!("`{}` takes no tags: {why}", live.id))),
    }
}

pub(super) fn foreign(live: &AnyLive) -> Error {
    Error::ours(format!(
        "`{}` exists, but this stack did not make it. Rename the resource in the stack file, or delete the other one",
        live.id
    ))
}

/// Looks for the resource up to `looks` times, with a pause between, and returns it as soon as it is seen.
async fn look(cx: &Cx, target: &Target, looks: u32) -> Result<Option<AnyLive>, Error> {
    let wanted = [(target.name.clone(), target.spec.clone())];
    for count in 0..looks {
        if count > 0 {
            cx.clock.sleep(1.0).await;
        }
        let (outputs, closely) = (target.board.outputs(Late::MayBeAbsent), Look::closely(Vec::new()));
        let mut seen = match target.kind.read(cx, &wanted, &outputs, &closely).await {
            Ok(seen) => seen,
            Err(error) if error.worth_retrying(target.kind.facts()).is_some() => continue,
            Err(error) => return Err(error),
        };
        seen.retain(|live| live.address.name == target.name && live.status != Status::Deleting);
        if let Some(live) = seen.pop() {
            return Ok(Some(live));
        }
    }
    Ok(None)
}

fn may_write(cx: &Cx) -> Result<(), Error> {
    match cx.stop.reason() {
        Some(reason) => {
            Err(Error { code: "Stopped".into(), message: reason.into(), request_id: None, ambiguous: false })
        }
        None => Ok(()),
    }
}

/// Stops the whole run if the credentials have expired: all other calls would fail in the same way.
fn stopping(cx: &Cx, error: Error) -> Error {
    if error.is_login() {
        cx.stop.lose_login();
    }
    error
}
