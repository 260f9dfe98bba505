//! A function behind an HTTP API. Lambda, and not a connection, brings the requests for the routes of a role. Payload
//! format 2.0. <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::Service;
use hyper::{Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::json;

use super::{Handle, Invocation};
use crate::http::edge;

/// Makes the routes into the handler of a function. Its requests pass what the requests of a server pass: limits, ids,
/// a line in the log.
pub fn handle(router: Router, invalid_input: StatusCode) -> Handle {
    let service = TowerToHyperService::new(edge::behind(router, invalid_input));
    Box::new(move |invocation| Box::pin(answer(service.clone(), invocation)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: Asked,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    http: Http,
    stage: String,
    #[serde(default)]
    request_id: String,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

async fn answer(service: TowerToHyperService<Router>, invocation: Invocation) -> anyhow::Result<Vec<u8>> {
    // The error of the parser may quote the request.
    let event: Event = serde_json::from_slice(&invocation.event).ok().context("not a request of an HTTP API")?;
    let answered = tokio::time::timeout(invocation.left.saturating_sub(SPARE), service.call(request(event)?));
    let response = match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        // The caller gets an answer of ours, and not one of Lambda's.
        Err(_) => edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "no answer in time"),
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.context("reading the answer")?.to_bytes();
    let mut headers = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match *name == header::SET_COOKIE {
            true => cookies.push(value),
            false => {
                // A header that comes twice becomes one, with a comma between the values.
                let told: &mut String = headers.entry(name.as_str()).or_default();
                let comma = if told.is_empty() { "" } else { "," };
                *told = format!("{told}{comma}{value}");
            }
        }
    }
    let (body, is_base64) = match std::str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64_STANDARD.encode(&body), true),
    };
    Ok(serde_json::to_vec(&json!({
        "statusCode": parts.status.as_u16(), "headers": headers, "cookies": cookies, "body": body,
        "isBase64Encoded": is_base64,
    }))?)
}

fn request(event: Event) -> anyhow::Result<Request<Body>> {
    let Event { raw_path, raw_query_string, headers, cookies, request_context, body, is_base64_encoded } = event;
    // The path begins with the stage, unless it is the default stage.
    let stage = format!("/{}", request_context.stage);
    let path = match raw_path.strip_prefix(&stage) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => &raw_path,
    };
    let mut uri = if path.starts_with('/') { String::new() } else { "/".to_owned() };
    // The path comes decoded: a `?` in it is a part of a name, and so is a `%`.
    encode(path, b"-._~/!$&'()*+,;=:@", &mut uri);
    if !raw_query_string.is_empty() {
        uri.push('?');
        // The query comes as the client has sent it.
        encode(&raw_query_string, b"-._~/!$&'()*+,;=:@?%[]{}|^`\\", &mut uri);
    }
    let mut request = Request::builder().method(request_context.http.method.as_str()).uri(uri);
    for (name, value) in headers {
        // A header that HTTP does not allow is none. It must not fail the request.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request = request.header(name, value);
        }
    }
    // The id of the API is in its access log too. The id of a client goes before.
    let has_id = request.headers_ref().is_some_and(|headers| headers.contains_key(edge::REQUEST_ID));
    if !has_id && !request_context.request_id.is_empty() {
        request = request.header(edge::REQUEST_ID, request_context.request_id);
    }
    if !cookies.is_empty() {
        request = request.header(header::COOKIE, cookies.join("; "));
    }
    let body = body.unwrap_or_default();
    let body = match is_base64_encoded {
        true => BASE64_STANDARD.decode(body).context("the body is not base64")?,
        false => body.into_bytes(),
    };
    request.body(Body::from(body)).context("not a request of HTTP")
}

/// The time that is kept back from the routes, to answer in their place.
const SPARE: Duration = Duration::from_millis(100);

/// Writes a part of a URI. Letters, digits and the bytes in `plain` stay as they are.
fn encode(part: &str, plain: &[u8], uri: &mut String) {
    for byte in part.bytes() {
        match byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            true => uri.push(char::from(byte)),
            false => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use axum::body::Bytes;
    use axum::extract::Path;
    use axum::response::IntoResponse;
    use axum::routing::{get, post};
    use hyper::{HeaderMap, Uri};
    use serde_json::Value;

    use super::*;
    use crate::http::answer as answers;

    /// An event for a request of a browser, as API Gateway hands it over.
    fn event(method: &str, path: &str, stage: &str) -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "limit=5&after=%EB%B6%80",
            "cookies": ["a=1", "b=2"], "headers": { "content-type": "application/json", "x-request-id": "mine" },
            "requestContext": { "accountId": "123456789012", "requestId": "JKJaXmPLvHcESHA=", "stage": stage, "http": { "method": method, "path": path } },
            "isBase64Encoded": false
        })
    }

    async fn answer_to(event: &Value) -> anyhow::Result<Value> {
        let router = Router::new()
            .route(
                "/named/{*name}",
                get(async |Path(name): Path<String>, uri: Uri| format!("{name} {:?}", uri.query())),
            )
            .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(9)).await))
            .route("/headers", get(async |headers: HeaderMap| format!("{:?}", headers.get("x-twice"))))
            .route("/item/{id}", get(async |Path(id): Path<u32>, uri: Uri| format!("{id} {}", uri.query().unwrap())))
            .route(
                "/item",
                post(async |headers: HeaderMap, body: Bytes| {
                    let cookies = [("set-cookie", "c=3"), ("x-cookies", headers["cookie"].to_str().unwrap())];
                    (StatusCode::CREATED, cookies.map(|(name, value)| (name, value.to_owned())), body).into_response()
                }),
            )
            .fallback(answers::nothing_here);
        let (request_id, event) = ("1".to_owned(), event.to_string().into());
        let handle = handle(router, StatusCode::BAD_REQUEST);
        let answer = handle(Invocation { request_id, event, left: Duration::from_secs(1) }).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    #[tokio::test]
    async fn a_request_is_answered_by_its_route_whatever_the_stage() {
        for (path, stage) in [("/item/7", "$default"), ("/v1/item/7", "v1"), ("/item/7", "item7")] {
            let answer = answer_to(&event("GET", path, stage)).await.unwrap();
            assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!("7 limit=5&after=%EB%B6%80")));
            assert_eq!(answer["headers"]["x-request-id"], "mine");
        }
        let mut nameless = event("GET", "/nowhere", "$default");
        nameless["headers"] = json!({});
        let answer = answer_to(&nameless).await.unwrap();
        assert_eq!(
            (&answer["statusCode"], &answer["headers"]["x-request-id"]),
            (&json!(404), &json!("JKJaXmPLvHcESHA="))
        );
        let answer = answer_to(&event("GET", "/item/x", "$default")).await.unwrap();
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(400), &json!("{\"message\":\"Invalid input\"}")));
    }

    /// The trap of the format: AWS decodes the path, and not the query.
    #[tokio::test]
    async fn the_path_comes_decoded_and_the_query_as_it_was_sent() {
        for (path, query, expected) in [
            (
                "/named/space value",
                "repeat=one&repeat=two&plus=a+b&e=",
                r#"space value Some("repeat=one&repeat=two&plus=a+b&e=")"#,
            ),
            ("/named/a?b#c%2F%", "", "a?b#c%2F% None"),
            ("/named/부산/'\"<>", "q=%EB%B6%80&r=부", r#"부산/'"<> Some("q=%EB%B6%80&r=%EB%B6%80")"#),
        ] {
            let mut event = event("GET", path, "$default");
            event["rawQueryString"] = json!(query);
            let answer = answer_to(&event).await.unwrap();
            assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!(expected)));
        }
        let mut rootless = event("GET", "", "$default");
        rootless["rawQueryString"] = json!("");
        assert_eq!(answer_to(&rootless).await.unwrap()["statusCode"], 404);
    }

    #[tokio::test]
    async fn a_header_that_came_twice_is_one_and_an_odd_header_is_passed_over() {
        let mut event = event("GET", "/headers", "$default");
        event["headers"] = json!({ "x-twice": "first,second", "x odd": "1", "x-line": "a\nb" });
        assert_eq!(answer_to(&event).await.unwrap()["body"], "Some(\"first,second\")");
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_takes_too_long_is_answered_before_lambda_ends_it() {
        let answer = answer_to(&event("GET", "/slow", "$default")).await.unwrap();
        assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("1")));
    }

    #[tokio::test]
    async fn a_body_comes_and_goes_as_text_or_as_bytes() {
        let mut text = event("POST", "/item", "$default");
        text["body"] = json!("부산");
        let mut bytes = event("POST", "/item", "$default");
        bytes["body"] = json!("/wA=");
        bytes["isBase64Encoded"] = json!(true);
        for (event, body, is_base64) in [(text, "부산", false), (bytes, "/wA=", true)] {
            let answer = answer_to(&event).await.unwrap();
            assert_eq!((&answer["statusCode"], &answer["cookies"]), (&json!(201), &json!(["c=3"])));
            assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!(body), &json!(is_base64)));
            assert_eq!(answer["headers"]["x-cookies"], "a=1; b=2");
        }
    }

    #[tokio::test]
    async fn another_event_is_an_error_that_quotes_nothing() {
        let error = answer_to(&json!({ "rawPath": "hunter2" })).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "not a request of an HTTP API");
    }
}
