//! Takes one request to a function, and its answer back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::config::{Api, Target};
use super::event::{Around, event, segments};
use super::{answer, cors};
use crate::client::Client;
use crate::functions::now_ms;
use crate::listen::{Answer, log};

/// The largest body of a request.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const LARGEST: usize = 10 << 20;
/// The largest request line with all headers.
const LARGEST_HEAD: usize = 10_240;
/// The longest time for a function's answer.
pub const WITHIN: Duration = Duration::from_secs(30);

pub struct Forwarder {
    pub client: Client,
    pub port: u16,
    pub within: Duration,
}

impl Forwarder {
    /// Answers a request, and notes it in the log.
    pub async fn answer(&self, api: &Api, request: Request<Incoming>, from: SocketAddr) -> Answer {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let id = request_id();
        let mut by = String::new();
        let mut response = match &api.config.cors {
            Some(cors) if cors::is_preflight(&head.method, &head.headers) => cors::preflight(cors, &head.headers),
            _ => match self.forward(api, &head, body, from, &id, &mut by).await {
                Ok(response) => response,
                Err(status) => answer::own(status),
            },
        };
        if let Some(cors) = &api.config.cors
            && !cors::is_preflight(&head.method, &head.headers)
        {
            cors::add(cors, &head.headers, response.headers_mut());
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
        }
        let (status, took) = (response.status().as_u16(), begun.elapsed().as_millis());
        log(&format!("{id} {} {} {status} {took} ms {by}", head.method, head.uri.path()));
        response
    }

    /// The answer of the function, or the status that the API answers itself. `by` becomes the route and its function.
    async fn forward(
        &self,
        api: &Api,
        head: &Parts,
        body: Incoming,
        from: SocketAddr,
        id: &str,
        by: &mut String,
    ) -> Result<Answer, StatusCode> {
        if size(head) > LARGEST_HEAD {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let path = segments(head.uri.path()).ok_or(StatusCode::BAD_REQUEST)?;
        let found = api.routes.find(head.method.as_str(), &path).ok_or(StatusCode::NOT_FOUND)?;
        *by = format!("{} by {}", found.route.key, found.route.function);
        if !api.bucket.take(Instant::now()) {
            return Err(StatusCode::TOO_MANY_REQUESTS);
        }
        let target = api.config.functions.get(&found.route.function).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let body = match Limited::new(body, LARGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return Err(StatusCode::BAD_REQUEST),
        };
        let trace = trace(&head.headers);
        let around = Around { config: &api.config, from, port: self.port, id, trace: &trace, at: now_ms() };
        let event = serde_json::to_vec(&event(head, &body, &path, found, &around));
        self.invoke(target, event.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?, &trace).await
    }

    async fn invoke(&self, target: &Target, event: Vec<u8>, trace: &str) -> Result<Answer, StatusCode> {
        let uri = format!("http://127.0.0.1:{}/2015-03-31/functions/{}/invocations", target.port, target.name);
        // Without an answer the part does not run, or the function takes too long.
        let Ok(answer) = self.client.post(&uri, &[("x-amzn-trace-id", trace)], event, self.within).await else {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        };
        match answer.status {
            StatusCode::OK if answer.header("x-amz-function-error").is_some() => Err(StatusCode::INTERNAL_SERVER_ERROR),
            StatusCode::OK => Ok(answer::of_function(&answer.body)),
            StatusCode::PAYLOAD_TOO_LARGE => Err(StatusCode::PAYLOAD_TOO_LARGE),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(StatusCode::SERVICE_UNAVAILABLE),
            _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn size(head: &Parts) -> usize {
    let line = head.method.as_str().len() + head.uri.to_string().len();
    line + head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

/// The trace id of the request, or a new one.
fn trace(headers: &HeaderMap) -> String {
    let given = headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
    match given.filter(|trace| trace.contains("Root=")) {
        Some(trace) => trace.to_owned(),
        None => format!("Root=1-{:08x}-{:024x}", now_ms() / 1000, fastrand::u128(..) >> 32),
    }
}

/// An id in the form of API Gateway's: 16 letters, the last one `=`.
fn request_id() -> String {
    STANDARD.encode(&fastrand::u128(..).to_be_bytes()[..11])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_function_that_does_not_answer_in_time_is_not_available() {
        // It takes connections and says nothing.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target { name: "slow".into(), port: listener.local_addr().unwrap().port() };
        let forwarder = Forwarder { client: Client::new(), port: 80, within: Duration::from_millis(50) };
        let begun = Instant::now();
        let status = forwarder.invoke(&target, b"{}".to_vec(), "Root=1-0-0").await.unwrap_err();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!((50..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        assert_eq!(WITHIN, Duration::from_secs(30));
    }

    #[test]
    fn ids_look_like_those_of_api_gateway() {
        let id = request_id();
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
        assert_ne!(id, request_id());
    }
}
