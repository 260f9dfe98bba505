//! The refusal of a request, in the form of DynamoDB's JSON protocol.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

pub type Answer = Response<Full<Bytes>>;

/// A refusal of the front's own. The engine has its own words for all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub kind: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn validation(message: impl Into<String>) -> Refusal {
        Refusal { kind: "com.amazon.coral.validate#ValidationException", message: message.into() }
    }

    pub fn no_stream(arn: &str) -> Refusal {
        let message = format!("Requested resource not found: Stream: {arn} not found");
        Refusal { kind: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", message }
    }

    pub fn trimmed() -> Refusal {
        let message = "The operation attempted to read past the oldest stream record in a shard".to_owned();
        Refusal { kind: "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException", message }
    }

    pub fn answer(&self) -> Answer {
        respond(400, &json!({ "__type": self.kind, "message": self.message }))
    }
}

/// The answer if the engine cannot be asked. SDKs try again.
pub fn internal() -> Answer {
    let message = "The request processing has failed because of an unknown error, exception or failure.";
    respond(500, &json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": message }))
}

pub fn respond(status: u16, value: &Value) -> Answer {
    let mut answer = crate::listen::json(hyper::StatusCode::from_u16(status).unwrap_or_default(), value);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    with_id(answer)
}

pub fn text(status: u16, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.to_owned())));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    with_id(answer)
}

/// DynamoDB's ids have 52 capital letters and digits.
fn with_id(mut answer: Answer) -> Answer {
    let id: String = (0..52).map(|_| fastrand::alphanumeric().to_ascii_uppercase()).collect();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    answer
}
