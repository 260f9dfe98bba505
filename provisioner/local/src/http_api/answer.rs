//! What a function answers, as an answer of HTTP.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::listen::{self, Answer};

/// An answer of the API itself.
pub fn own(status: StatusCode) -> Answer {
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        status => status.canonical_reason().unwrap_or_default(),
    };
    listen::json(status, &json!({ "message": message }))
}

/// The answer of a function that did not fail. An answer that cannot be understood is an error of the API.
pub fn of_function(body: &[u8]) -> Answer {
    let value = match serde_json::from_slice(body) {
        Ok(value) => value,
        // A function need not answer anything.
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => return own(StatusCode::INTERNAL_SERVER_ERROR),
    };
    match value {
        Value::Object(told) if told.contains_key("statusCode") => {
            whole(told).unwrap_or_else(|| own(StatusCode::INTERNAL_SERVER_ERROR))
        }
        // Without a status the answer is the body.
        Value::String(text) => listen::bytes(StatusCode::OK, text),
        value => listen::json(StatusCode::OK, &value),
    }
}

fn whole(mut told: Map<String, Value>) -> Option<Answer> {
    let status = match told.remove("statusCode")? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let status = u16::try_from(status).ok().filter(|status| (200..600).contains(status))?;
    let body = match told.remove("body").unwrap_or_default() {
        Value::Null => Vec::new(),
        Value::String(text) if told.get("isBase64Encoded") == Some(&Value::Bool(true)) => STANDARD.decode(text).ok()?,
        Value::String(text) => text.into_bytes(),
        _ => return None,
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match told.remove("headers").unwrap_or_default() {
        Value::Null => {}
        Value::Object(given) => {
            for (name, value) in given {
                let name: HeaderName = name.parse().ok()?;
                // The API has its own for these.
                if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(&name) {
                    continue;
                }
                headers.insert(name, header(&value)?);
            }
        }
        _ => return None,
    }
    match told.remove("cookies").unwrap_or_default() {
        Value::Null => {}
        Value::Array(cookies) => {
            for cookie in cookies {
                headers.append(SET_COOKIE, header(&cookie)?);
            }
        }
        _ => return None,
    }
    Some(response)
}

fn header(value: &Value) -> Option<HeaderValue> {
    match value {
        Value::String(text) => HeaderValue::from_bytes(text.as_bytes()).ok(),
        Value::Number(_) | Value::Bool(_) => HeaderValue::try_from(value.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn told(answer: &str) -> (u16, String, String) {
        let response = of_function(answer.as_bytes());
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        let kind = headers.get(CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
        (status, kind, String::from_utf8_lossy(&body).into_owned())
    }

    fn json(body: &str) -> (u16, String, String) {
        (200, "application/json".into(), body.into())
    }

    /// Recorded on AWS by others, for function URLs, which have the same format.
    #[test]
    fn an_answer_without_a_status_is_the_body() {
        assert_eq!(told(r#"{ "hello": "world" }"#), json(r#"{"hello":"world"}"#));
        assert_eq!(told("[1, 2]"), json("[1,2]"));
        assert_eq!(told("true"), json("true"));
        assert_eq!(told("7"), json("7"));
        assert_eq!(told("\"부산\""), json("부산"));
        assert_eq!(told("null"), json("null"));
    }

    #[test]
    fn an_answer_with_a_status_has_headers_cookies_and_bytes() {
        let plain = "text/plain; charset=utf-8".to_owned();
        assert_eq!(told(r#"{"statusCode": 201, "body": "부산"}"#), (201, plain.clone(), "부산".into()));
        assert_eq!(told(r#"{"statusCode": "418"}"#), (418, plain.clone(), String::new()));
        let bytes =
            r#"{"statusCode": 200, "body": "YT1i", "isBase64Encoded": true, "headers": {"Content-Type": "a/b"}}"#;
        assert_eq!(told(bytes), (200, "a/b".into(), "a=b".into()));
        let response = of_function(
            br#"{"statusCode": 200, "headers": {"X-A": 1, "content-length": "9"}, "cookies": ["a=1", "b=2"]}"#,
        );
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_of_the_api() {
        let error = (500, "application/json".to_owned(), r#"{"message":"Internal Server Error"}"#.to_owned());
        for answer in [
            "{",
            r#"{"statusCode": "teapot"}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
            r#"{"statusCode": 200, "body": "*", "isBase64Encoded": true}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "headers": {"a": "c\nd: e"}}"#,
            r#"{"statusCode": 200, "cookies": [["a"]]}"#,
        ] {
            assert_eq!(told(answer), error, "{answer}");
        }
    }

    #[test]
    fn the_api_has_its_own_words() {
        let words = |status: u16| {
            let response = own(StatusCode::from_u16(status).unwrap());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
            String::from_utf8_lossy(&body).into_owned()
        };
        for (status, message) in [
            (404, "Not Found"),
            (413, "Request Entity Too Large"),
            (429, "Too Many Requests"),
            (500, "Internal Server Error"),
            (503, "Service Unavailable"),
        ] {
            assert_eq!(words(status), format!("{{\"message\":\"{message}\"}}"));
        }
    }
}
