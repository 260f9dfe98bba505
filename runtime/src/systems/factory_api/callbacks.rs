//! The callbacks: the request of a job is posted back, word for word, until somebody takes it. After a day nobody is
//! called any more.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
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
        // What is under way is ended even if the process stops: the answer has to be noted.
        stream::iter(calls).for_each_concurrent(AT_A_TIME, |call| back(&factory, call)).await;
    }
}

/// Calls back once, and notes what came of it.
async fn back(factory: &Factory, call: Call) {
    let Some(url) = &call.url else {
        note(in_time(jobs::end(&factory.database, &call.job, "nobody asked to be called back")).await);
        return;
    };
    let outcome = post(factory, &call, url).await;
    let message = match &outcome {
        Ok(()) => "called back".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let line = json!({ "job_id": call.job, "attempt": call.attempt, "message": message });
    match outcome {
        Ok(()) => {
            metrics::count("CalledBack", 1);
            telemetry::info("callback.taken", &line);
            note(in_time(jobs::end(&factory.database, &call.job, &message)).await);
        }
        Err(_) if call.is_last => {
            metrics::count("CallbacksGivenUp", 1);
            telemetry::error("callback.given_up", &line);
            let message = format!("given up after {} h: {message}", jobs::PATIENCE_HOURS);
            note(in_time(jobs::end(&factory.database, &call.job, &message)).await);
        }
        Err(_) => {
            metrics::count("CallbacksFailed", 1);
            telemetry::warn("callback.failed", &line);
            note(in_time(jobs::again(&factory.database, &call, &message)).await);
        }
    }
}

/// If an outcome cannot be noted, the callback is due again when its lease ends.
fn note(noted: anyhow::Result<()>) {
    if let Err(error) = noted {
        telemetry::warn("callback.not_noted", &json!({ "message": format!("{error:#}") }));
    }
}

async fn post(factory: &Factory, call: &Call, url: &str) -> anyhow::Result<()> {
    // The error of the parser says nothing of the URL, which has a token in it.
    let url: Uri = url.parse().ok().context("the CallbackUrl is not a URL")?;
    let request = Request::post(url)
        .header("content-type", "application/json")
        // The same callback may come twice, if this process ends before it has noted that the first was taken.
        .header(IDEMPOTENCY_KEY, &call.job)
        .body(Full::from(call.body.clone()))?;
    let answered = tokio::time::timeout(TIMEOUT, factory.client.status(request)).await;
    let status = answered.with_context(|| format!("no answer in {} s", TIMEOUT.as_secs()))??;
    ensure!(status.is_success(), "answered {status}");
    Ok(())
}
