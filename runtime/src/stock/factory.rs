//! The requests to a factory. Their consumer has no database, and so no inbox: it passes the id of the order on, and the
//! factory keeps the inbox.

use anyhow::anyhow;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri};
use serde::Serialize;
use serde_json::json;

use crate::events::consumer::Verdict;
use crate::http::client::Client;
use crate::telemetry;
use crate::telemetry::trace::{self, Trace};

pub struct Factory {
    client: Client,
    base: Uri,
}

impl Factory {
    /// `base` has a scheme and an authority, and no path.
    pub fn new(base: Uri) -> anyhow::Result<Self> {
        Ok(Factory { client: Client::new()?, base })
    }

    /// Posts JSON with one header more, and gives the verdict on the message that asked for it. What a factory says
    /// besides its status is not read.
    pub async fn post(&self, path: &str, header: (&str, &str), body: &impl Serialize, trace: &Trace) -> Verdict {
        let base = self.base.to_string();
        let request = serde_json::to_vec(body).map_err(anyhow::Error::from).and_then(|body| {
            Ok(Request::post(format!("{}{path}", base.trim_end_matches('/')))
                .header("content-type", "application/json")
                .header(header.0, header.1)
                .header(trace::HEADER, trace.to_string())
                .body(Full::from(body))?)
        });
        let request = match request {
            Ok(request) => request,
            Err(error) => return Verdict::Poison(error),
        };
        match self.client.send(request).await {
            Ok(answer) if answer.status.is_success() => Verdict::Done,
            Ok(answer) if is_refusal(answer.status) => {
                Verdict::Poison(anyhow!("the factory answers {}", answer.status))
            }
            Ok(answer) => {
                telemetry::warn("factory.failed", &json!({ "status": answer.status.as_u16() }));
                Verdict::Retry(0)
            }
            Err(error) => {
                telemetry::warn("factory.unreachable", &json!({ "message": format!("{error:#}") }));
                Verdict::Retry(0)
            }
        }
    }
}

/// Whether the factory would answer the same request so again.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}
