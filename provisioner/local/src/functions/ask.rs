//! Questions to the part of a function, for a thread that waits for the answer.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Counted;
use crate::http;

/// What a function has done. The part at this port is asked.
pub fn counts(port: u16) -> Result<Counted> {
    let answer = http::ask(port, "GET", "/counts", &[], None, Duration::from_secs(2)).context("asking for counts")?;
    serde_json::from_slice(&answer.body).context("what the function's part says")
}

/// Invokes a function and gives its answer. It is an error if the function fails.
pub fn invoke(port: u16, name: &str, event: &str, within: Duration) -> Result<Vec<u8>> {
    let answer = post(port, name, event, "RequestResponse", within)?;
    let text = String::from_utf8_lossy(&answer.body);
    if answer.header("x-amz-function-error").is_some() {
        bail!("the function failed: {text}");
    }
    match answer.status {
        200 => Ok(answer.body),
        status => bail!("the function was not invoked: {status} {text}"),
    }
}

/// Hands a function an event. It is written down when this returns.
pub fn hand_over(port: u16, name: &str, event: &str) -> Result<()> {
    let answer = post(port, name, event, "Event", Duration::from_secs(5))?;
    match answer.status {
        202 => Ok(()),
        status => bail!("the event was not accepted: {status} {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn post(port: u16, name: &str, event: &str, kind: &str, within: Duration) -> Result<http::Answer> {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let headers = [("Authorization", "provision"), ("X-Amz-Invocation-Type", kind)];
    http::ask(port, "POST", &path, &headers, Some(event), within).context("invoking the function")
}
