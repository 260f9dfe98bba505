//! The callbacks: the request of a job is posted back, word for word, until somebody takes it. After a day nobody is
//! called any more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http_body_util::Full;
use hyper::{Request, Uri};
use serde_json::json;

use super::Factory;
use super::jobs::{self, Call};
use super::lines::{POLL, in_time, tell};
use crate::background::Loop;
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics};

/// The callbacks at a time. One that hangs keeps no other waiting for longer than [`TIMEOUT`].
const AT_A_TIME: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(10);
/// The time for which a callback belongs to the task that has taken it.
const LEASE: Duration = Duration::from_secs(60);

pub async fn run(factory: Arc<Factory>, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let mut told = None;
    while !this.is_stopping() {
        let taken = in_time(jobs::calls(&factory.database, AT_A_TIME, LEASE)).await;
        let calls = match taken {
            Ok(calls) => calls,
            Err(error) => {
                tell(&mut told, "callbacks.wait", Some(error));
                Vec::new()
            }
        };
        if calls.is_empty() {
            this.sleep(POLL).await;
            continue;
        }
        told = None;
        this.beat();
        // The calls under way are ended even if the process stops: the answer has to be noted.
        stream::iter(calls).for_each_concurrent(AT_A_TIME, |call| back(&factory, call)).await;
    }
}

/// Calls back once, and notes what came of it.
async fn back(factory: &Factory, call: Call) {
    let Some(url) = &call.url else {
        note(in_time(jobs::end(&factory.database, &call.job, "nobody asked to be called back")).await);
        return;
    };
    let Err(Failure { told, why, is_final }) = post(factory, &call, url).await else {
        metrics::count("CalledBack", 1);
        telemetry::info("callback.taken", &json!({ "job_id": call.job, "attempt": call.attempt }));
        note(in_time(jobs::end(&factory.database, &call.job, "called back")).await);
        return;
    };
    let why = why.map_or_else(|| told.clone(), |why| format!("{told}: {why:#}"));
    let line = json!({ "job_id": call.job, "attempt": call.attempt, "message": why });
    if call.is_last || is_final {
        metrics::count("CallbacksGivenUp", 1);
        telemetry::error("callback.given_up", &line);
        let outcome = match is_final {
            true => told,
            false => format!("given up after {} h: {told}", jobs::PATIENCE_HOURS),
        };
        note(in_time(jobs::end(&factory.database, &call.job, &outcome)).await);
        return;
    }
    metrics::count("CallbacksFailed", 1);
    telemetry::warn("callback.failed", &line);
    note(in_time(jobs::again(&factory.database, &call, &told)).await);
}

/// If an outcome cannot be noted, the callback is due again when its lease ends.
fn note(noted: anyhow::Result<()>) {
    if let Err(error) = noted {
        telemetry::warn("callback.not_noted", &json!({ "message": format!("{error:#}") }));
    }
}

/// Why nobody has taken a callback.
struct Failure {
    /// The text that everybody may read. It says nothing of what only this process can see: an address, an open port.
    told: String,
    /// The reason, which only the log has.
    why: Option<anyhow::Error>,
    /// Whether another attempt would fail in the same way.
    is_final: bool,
}

async fn post(factory: &Factory, call: &Call, url: &str) -> Result<(), Failure> {
    let no = |told: &str, why| Failure { told: told.to_owned(), why, is_final: true };
    // The error of the parser says nothing of the URL, which has a token in it.
    let Ok(url) = url.parse::<Uri>() else { return Err(no("not called: the CallbackUrl is not a URL", None)) };
    factory.client.check(&url).map_err(|why| no("not called: such URLs are not called", Some(why)))?;
    let request = Request::post(url)
        .header("content-type", "application/json")
        // The same callback may come twice, if this process ends before it has noted that the first was taken.
        .header(IDEMPOTENCY_KEY, &call.job)
        .body(Full::from(call.body.clone()))
        .map_err(|why| no("not called: the CallbackUrl is not a URL", Some(why.into())))?;
    let again = |told: String, why| Failure { told, why, is_final: false };
    match tokio::time::timeout(TIMEOUT, factory.client.status(request)).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => Err(again(format!("answered {status}"), None)),
        Ok(Err(why)) => Err(again("not reached".to_owned(), Some(why))),
        Err(_) => Err(again("not reached".to_owned(), Some(anyhow::anyhow!("no answer in {} s", TIMEOUT.as_secs())))),
    }
}
