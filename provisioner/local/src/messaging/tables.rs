//! Requests for tables and their streams. They go on to the part that serves them, so that one endpoint is that of all
//! services.

use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use crate::client::Client;
use crate::tables::{LARGEST_BODY, PREFIXES};

/// A scan of a large table takes its time.
const WITHIN: Duration = Duration::from_secs(150);

/// The connections to the part that serves the tables. They are made for the first request.
#[derive(Default)]
pub struct Door(OnceLock<Client>);

/// Whether a request is one for tables.
pub fn is_for_tables(headers: &HeaderMap) -> bool {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    target.is_some_and(|target| PREFIXES.iter().any(|prefix| target.starts_with(prefix)))
}

impl Door {
    /// Hands the request on to the part at this port, which refuses it if it is not signed.
    pub async fn forward(&self, port: Option<u16>, head: Parts, body: Incoming) -> Response<Full<Bytes>> {
        let Some(port) = port else {
            let message = "This stack has no tables: the section `tables:` of its file declares them.";
            return refuse(StatusCode::BAD_REQUEST, "UnknownOperationException", message);
        };
        let Ok(body) = crate::listen::body(body, LARGEST_BODY).await else {
            let message = "The request is too long, or broke off.";
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", message);
        };
        match self.ask(port, head, body).await {
            Ok(answer) => answer,
            Err(error) => {
                crate::listen::log(&format!("the tables cannot be asked: {error:#}"));
                let message = "The tables are being started, or cannot be reached.";
                refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
            }
        }
    }

    async fn ask(&self, port: u16, head: Parts, body: Bytes) -> anyhow::Result<Response<Full<Bytes>>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method).uri(format!("http://127.0.0.1:{port}{path}"));
        for (name, value) in &head.headers {
            // The length is that of the body, and the connection is another one.
            if name == AUTHORIZATION || name == CONTENT_TYPE || name == "date" || name.as_str().starts_with("x-amz-") {
                request = request.header(name, value);
            }
        }
        let client = self.0.get_or_init(Client::new);
        let answer = client.send(request.body(Full::from(body))?, WITHIN).await?;
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        for (name, value) in &answer.headers {
            if name == CONTENT_TYPE || name.as_str().starts_with("x-amz") {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    super::http::respond(status.as_u16(), super::http::JSON, json!({ "__type": kind, "message": message }).to_string())
}
