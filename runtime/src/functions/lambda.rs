//! The Lambda Runtime API: a process asks for the next event, handles it, and says how that went.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::{HeaderMap, Request};
use serde_json::json;

use super::{Function, Invocation};
use crate::config::Environment;
use crate::http::client::Client;
use crate::telemetry::invocation::{self, Handled};
use crate::telemetry::{self, metrics};

pub struct Runtime {
    client: Client,
    base: String,
}

impl Runtime {
    pub fn new(environment: &Environment) -> anyhow::Result<Self> {
        let api = environment.lambda_runtime_api()?;
        Ok(Runtime { client: Client::new()?, base: format!("http://{api}/2018-06-01/runtime") })
    }

    /// Handles events until the Runtime API itself fails. Then the process ends, and Lambda starts another.
    pub async fn run(&self, function: &Function) -> anyhow::Result<()> {
        loop {
            let (invocation, cut) = self.next().await?;
            let id = invocation.request_id.clone();
            match handled(function, invocation, cut).await {
                Ok(body) => self.post(&format!("invocation/{id}/response"), body).await?,
                Err(error) => {
                    let message = format!("{error:#}");
                    telemetry::error("failed", &json!({ "request_id": id, "message": message }));
                    let body = error_body(function.error_type, &message);
                    self.post(&format!("invocation/{id}/error"), body).await?;
                }
            }
            // Nobody knows whether another event will come.
            metrics::tell();
        }
    }

    /// Reports an error of the start. Gives the error back, so that the process can end with it.
    pub async fn report_init_error(&self, error: anyhow::Error) -> anyhow::Error {
        let body = error_body("Runtime.Configuration", &format!("{error:#}"));
        match self.post("init/error", body).await {
            Ok(()) => error,
            Err(unreported) => error.context(format!("not reported: {unreported:#}")),
        }
    }

    /// The next event, and the time after which its handler is cut off.
    async fn next(&self) -> anyhow::Result<(Invocation, Duration)> {
        let uri = format!("{}/invocation/next", self.base);
        // This request has no time limit. The answer comes when there is an event, and before that the process may be
        // frozen for hours.
        let request = Request::get(uri).body(Full::default())?;
        let answer = self.client.send(request).await.context("asking for the next event")?;
        let status = answer.status;
        anyhow::ensure!(status.is_success(), "asking for the next event: {status}");
        let header = |name| text(&answer.headers, name);
        let request_id = header("lambda-runtime-aws-request-id").context("the next event has no request id")?;
        invocation::begin(Handled { id: request_id.clone(), trace: header("lambda-runtime-trace-id") });
        let deadline = header("lambda-runtime-deadline-ms").and_then(|ms| ms.parse().ok());
        let TimeLeft { handler, cut } = time_left(deadline);
        Ok((Invocation { request_id, left: handler, event: answer.body }, cut))
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let mut request = Request::post(format!("{}/{path}", self.base)).header("content-type", "application/json");
        if path.ends_with("/error") {
            request = request.header("lambda-runtime-function-error-type", "Unhandled");
        }
        let sent = self.client.send(request.body(Full::from(body))?);
        let answer = tokio::time::timeout(REPORT_TIMEOUT, sent)
            .await
            .context("no answer")
            .flatten()
            .with_context(|| format!("telling Lambda `{path}`"))?;
        let status = answer.status;
        anyhow::ensure!(status.is_success(), "telling Lambda `{path}`: {status}");
        Ok(())
    }
}

const REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most of Lambda's time that is kept back, to report a failure before Lambda kills the process. Of a short time it
/// is a quarter.
const RESERVE: Duration = Duration::from_secs(1);
const WITHOUT_DEADLINE: Duration = Duration::from_secs(60);

struct TimeLeft {
    /// The time that the handler plans with.
    handler: Duration,
    /// The time after which it is cut off. It is later, so that a handler that keeps its time can say itself what was
    /// in its way.
    cut: Duration,
}

/// The answer to an event, in the time that Lambda gives. A handler that panics has handled its event as badly as one
/// that gives an error, and the next event is another one.
async fn handled(function: &Function, invocation: Invocation, cut: Duration) -> anyhow::Result<Vec<u8>> {
    let handled = AssertUnwindSafe(async { (function.handle)(invocation).await }).catch_unwind();
    match tokio::time::timeout(cut, handled).await {
        Ok(Ok(outcome)) => outcome,
        // The line of the panic has its place.
        Ok(Err(_)) => anyhow::bail!("the handler panicked"),
        Err(_) => anyhow::bail!("no answer in the time that Lambda gives"),
    }
}

fn time_left(deadline_ms: Option<u64>) -> TimeLeft {
    let left = match deadline_ms {
        Some(deadline) => {
            let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline);
            deadline.duration_since(SystemTime::now()).unwrap_or_default()
        }
        None => WITHOUT_DEADLINE + RESERVE,
    };
    let reserve = RESERVE.min(left / 4);
    TimeLeft { handler: left - reserve, cut: left - reserve / 2 }
}

fn error_body(kind: &str, message: &str) -> Vec<u8> {
    let body = json!({ "errorType": kind, "errorMessage": message, "stackTrace": [] });
    body.to_string().into_bytes()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_with_a_short_time_has_most_of_it() {
        let left = |seconds: u64| {
            let deadline = SystemTime::now() + Duration::from_secs(seconds);
            let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let left = time_left(Some(deadline.try_into().unwrap()));
            assert!(left.cut > left.handler || seconds == 0);
            left.handler.as_millis()
        };
        for (seconds, expected) in [(60, 58_900..=59_000), (4, 2900..=3000), (1, 650..=750), (0, 0..=0)] {
            assert!(expected.contains(&left(seconds)), "{seconds} s: {} ms", left(seconds));
        }
        assert_eq!(time_left(None).handler, WITHOUT_DEADLINE);
    }
}
