//! The requests to a channel. <https://discord.com/developers/docs/resources/webhook#execute-webhook> and
//! <https://discord.com/developers/docs/topics/rate-limits>

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::client::{Answer, Client};
use crate::telemetry;

/// Why a channel has not taken a text. No address is in it.
#[derive(Debug, PartialEq)]
pub enum Failed {
    /// It would answer the same request so again.
    Refused(StatusCode),
    /// It has not taken it in the time that there is.
    Late(String),
}

/// Posts until the channel has taken the text, or the time is over.
pub async fn post(client: &Client, url: &Uri, text: &str) -> Result<(), Failed> {
    let body = Bytes::from(json!({ "content": text }).to_string());
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (why, waits) = match tokio::time::timeout(ATTEMPT.min(left), send(client, url, body.clone())).await {
            Ok(Ok(answer)) if answer.status.is_success() => return Ok(()),
            Ok(Ok(answer)) if is_refusal(answer.status) => return Err(Failed::Refused(answer.status)),
            Ok(Ok(answer)) => (format!("the channel answers {}", answer.status), retry_after(&answer)),
            Ok(Err(error)) => (format!("the channel was not reached: {error:#}"), None),
            Err(_) => ("the channel has not answered in time".to_owned(), None),
        };
        // Who is told when to come comes then, or a little later.
        let waits = waits.map_or_else(
            || pause.mul_f64(0.5 + fastrand::f64() / 2.0),
            |told| told + Duration::from_millis(fastrand::u64(0..50)),
        );
        if Instant::now() + waits >= deadline {
            return Err(Failed::Late(why));
        }
        telemetry::warn("channel.again", &json!({ "message": why, "milliseconds": waits.as_millis() as u64 }));
        tokio::time::sleep(waits).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The time for all attempts together.
const PATIENCE: Duration = Duration::from_secs(25);
const ATTEMPT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

async fn send(client: &Client, url: &Uri, body: Bytes) -> anyhow::Result<Answer> {
    let request = Request::post(url).header(CONTENT_TYPE, "application/json").body(Full::from(body))?;
    client.send(request).await
}

/// A redirect is a refusal too: nobody follows it.
fn is_refusal(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !later.contains(&status)
}

/// The seconds after which the channel wants to be asked again. The body says it more exactly than the header.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let of_body = || match &serde_json::from_slice::<Value>(&answer.body).ok()?["retry_after"] {
        Value::Number(seconds) => seconds.as_f64(),
        Value::String(seconds) => seconds.parse().ok(),
        _ => None,
    };
    let of_header = || answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
    let seconds: f64 = of_body().or_else(of_header)?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    #[test]
    fn a_channel_says_in_several_ways_when_it_wants_to_be_asked_again() {
        let of = |header: Option<&str>, body: &str| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(RETRY_AFTER, header.parse().unwrap());
            }
            let answer = Answer {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers,
                body: Bytes::copy_from_slice(body.as_bytes()),
            };
            retry_after(&answer).map(|pause| pause.as_millis())
        };
        assert_eq!(
            of(None, r#"{"message":"You are being rate limited.","retry_after":0.375,"global":false}"#),
            Some(375)
        );
        assert_eq!(of(Some("2"), r#"{"retry_after":1}"#), Some(1000));
        assert_eq!(of(Some("2"), ""), Some(2000));
        assert_eq!(of(Some("0.5"), "{}"), Some(500));
        assert_eq!(of(None, r#"{"retry_after":"1.5"}"#), Some(1500));
        for (header, body) in [
            (None, "{}"),
            (None, r#"{"retry_after":-1}"#),
            (None, r#"{"retry_after":1e300}"#),
            (None, r#"{"retry_after":"NaN"}"#),
            (Some("Wed, 21 Oct 2015 07:28:00 GMT"), ""),
        ] {
            assert_eq!(of(header, body), None, "{header:?} {body}");
        }
    }

    #[test]
    fn a_channel_refuses_for_good_or_for_now() {
        let refused: Vec<u16> = [200, 301, 400, 401, 404, 408, 413, 425, 429, 500, 502, 503]
            .into_iter()
            .filter(|status| *status >= 300 && is_refusal(StatusCode::from_u16(*status).unwrap()))
            .collect();
        assert_eq!(refused, [301, 400, 401, 404, 413]);
    }
}
