//! The requests: each says a product and a count.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Factory;
use super::jobs::{self, Taken};
use crate::http::edge::{self, Caller};
use crate::http::{answer, idempotency};
use crate::telemetry::{self, metrics};

/// The longest `CallbackUrl`, in bytes.
const LONGEST_URL: usize = 2_048;

/// Takes a request, and answers with its job. Under one `Idempotency-Key` there is one job.
pub async fn take(
    State(factory): State<Arc<Factory>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((text, request)) = parse(&body) else { return answer::invalid_input(StatusCode::BAD_REQUEST) };
    let callback = request["CallbackUrl"].as_str();
    if callback.is_some_and(|url| url.len() > LONGEST_URL) {
        return answer::invalid_input(StatusCode::BAD_REQUEST);
    }
    let key = match idempotency::key(&headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let said = |job: &str| {
        let requester = &request["MessageAttributeRequester"];
        // The request stands in the answer as it came.
        let body = format!("{{\"data\":{{\"id\":\"{job}\",\"reqestor\":{requester},\"data\":{text}}}}}");
        answer::ready_made(StatusCode::CREATED, body)
    };
    match jobs::take(&factory.database, key, text, callback, factory.step).await {
        Ok(Taken::New(job)) => {
            factory.news.notify_one();
            metrics::count("Jobs", 1);
            let line = json!({
                "request_id": &*caller.request_id, "trace_id": caller.trace.id(), "job_id": job,
                "product": request["MessageAttributeProductId"], "count": request["MessageAttributeProductCnt"],
                "factory": request["MessageAttributeFactoryId"],
            });
            telemetry::info("job.begun", &line);
            said(&job)
        }
        Ok(Taken::Again(job)) => idempotency::replayed(said(&job)),
        Ok(Taken::OtherRequest) => idempotency::other_request(),
        Err(error) => {
            caller.failed("job.failed", &error);
            edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "the factory takes nothing at the moment")
        }
    }
}

/// A request: a JSON object, with whatever in it.
fn parse(body: &[u8]) -> Option<(&str, Value)> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let request = serde_json::from_str(text).ok().filter(Value::is_object)?;
    Some((text, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_object_with_whatever_in_it() {
        let (text, request) = parse(" {\"b\":1, \"a\":\"홍길동\"}\n".as_bytes()).unwrap();
        assert_eq!((text, request["a"].as_str()), ("{\"b\":1, \"a\":\"홍길동\"}", Some("홍길동")));
        assert!(parse(b"{}").is_some());
        for wrong in [&b""[..], b"[]", b"\"x\"", b"{", b"null", b"{\"a\":\"\xff\"}"] {
            assert!(parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
