//! The Invoke API. <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use serde::de::IgnoredAny;
use serde_json::json;

use super::asynchronous::Events;
use super::failure::{LARGEST_ANSWER, Outcome, Refused};
use super::pool::{Patience, Pool};
use super::store::trace_id;
use crate::listen::{self, Answer};
use crate::messaging::new_id;

/// The largest event that nobody waits for, in bytes.
const LARGEST_ACCEPTED: usize = 1 << 20;

/// Answers an invocation of the function that the path names.
pub async fn answer(pool: &Arc<Pool>, events: &Events, name: &str, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    // The header's value is not checked, but it must be there: no page in a browser can add it to a request to another
    // site.
    if !head.headers.contains_key(AUTHORIZATION) {
        let message = "Missing Authentication Token";
        return refuse(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", message);
    }
    let config = &pool.config;
    let named = name.replace("%3A", ":").replace("%3a", ":");
    let named = named.strip_suffix(":$LATEST").or(named.strip_suffix(":%24LATEST")).unwrap_or(&named);
    if named != config.name && named != config.arn {
        let message = format!("Function not found: {named}");
        return refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    let kind = header(&head.headers, "x-amz-invocation-type").unwrap_or("RequestResponse");
    let largest = if kind == "Event" { LARGEST_ACCEPTED } else { LARGEST_ANSWER };
    let Ok(mut event) = listen::body(body, largest).await else {
        let message = format!("Request must be smaller than {largest} bytes for the InvokeFunction operation");
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message);
    };
    if event.is_empty() {
        event = Bytes::from_static(b"{}");
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&event) {
        let message = format!("Could not parse request body into json: {error}");
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
    }
    let trace = header(&head.headers, "x-amzn-trace-id");
    match kind {
        "RequestResponse" => {
            let (id, trace) = (new_id(), trace.map_or_else(trace_id, str::to_owned));
            let outcome = pool.invoke(&id, event, &trace, Patience::IsRefused).await;
            with(told(outcome), "x-amzn-requestid", &id)
        }
        "Event" => match events.accept(&event, trace) {
            Ok(id) => with(listen::bytes(StatusCode::ACCEPTED, Bytes::new()), "x-amzn-requestid", &id),
            Err(error) => {
                listen::log(&format!("an event could not be written down: {error:#}"));
                let message = "The event could not be written down.";
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", message)
            }
        },
        "DryRun" => listen::bytes(StatusCode::NO_CONTENT, Bytes::new()),
        other => {
            let message = format!("{other} is not one of RequestResponse, Event, DryRun");
            refuse(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message)
        }
    }
}

fn told(outcome: Result<Outcome, Refused>) -> Answer {
    match outcome {
        Ok(Outcome::Answered(body)) => with(listen::bytes(StatusCode::OK, body), "x-amz-executed-version", "$LATEST"),
        Ok(Outcome::Failed(failure)) => {
            let answer = with(listen::bytes(StatusCode::OK, failure.0), "x-amz-executed-version", "$LATEST");
            with(answer, "x-amz-function-error", "Unhandled")
        }
        Err(Refused::Throttled) => {
            let body = json!({
                "Type": "User", "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded.",
            });
            let answer = listen::json(StatusCode::TOO_MANY_REQUESTS, &body);
            with(answer, "x-amzn-errortype", "TooManyRequestsException")
        }
        Err(Refused::Stopping) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", "The function is being stopped.")
        }
    }
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Answer {
    with(listen::json(status, &json!({ "Type": "User", "Message": message })), "x-amzn-errortype", kind)
}

fn with(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
    answer
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
