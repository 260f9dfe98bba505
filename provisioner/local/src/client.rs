//! Sends requests to processes on this machine from a task. Connections are kept for the next request.

use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The largest answer, in bytes. Ten messages of a queue are ten mebibytes, and some more with their escapes.
const LARGEST: usize = 64 << 20;
const CONNECT: Duration = Duration::from_secs(2);

impl Client {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Client(client)
    }

    /// Sends JSON, and waits for the whole answer.
    pub async fn post(
        &self,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        within: Duration,
    ) -> Result<Answer> {
        let mut request = Request::post(uri).header(CONTENT_TYPE, "application/json");
        // The value counts for nothing. Without the header the request is taken for one of a page in a browser.
        request = request.header(AUTHORIZATION, "provision");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::from(body.into()))?, within).await
    }

    /// Sends a request as it is, and waits for the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>, within: Duration) -> Result<Answer> {
        let uri = request.uri().clone();
        let asking = async {
            let (parts, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(within, asking).await.with_context(|| format!("no answer from {uri} in time"))?
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
