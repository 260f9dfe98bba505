//! The gateway's interface for other processes, on its own port under `/_gateway/`.

use crate::rules::Rule;
use crate::server::Shared;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

pub(crate) async fn answer(shared: &Shared, path: &str, body: &Bytes) -> http::Response<Full<Bytes>> {
    let (status, value) = match act(shared, path, body).await {
        Ok(value) => (200, value),
        Err(why) => (400, json!({"error": format!("{why:#}")})),
    };
    let mut response = http::Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

async fn act(shared: &Shared, path: &str, body: &[u8]) -> Result<Value> {
    match path {
        "calls" => return Ok(serde_json::to_value(&shared.state().calls)?),
        "refusals" => return Ok(serde_json::to_value(&shared.state().refusals)?),
        "clear" => shared.state().calls.clear(),
        "rules" => {
            let rules: Vec<Rule> = serde_json::from_slice(body).context("a JSON list of rules")?;
            shared.state().set_rules(rules)?;
        }
        "victim" => shared.state().victim = Some(serde_json::from_slice(body).context("a process id")?),
        "fail" => {
            let (kind, id): (String, String) = serde_json::from_slice(body).context("[\"KIND\", \"GLOB\"]")?;
            shared.state().pace.fails.push((kind, id));
        }
        "heal" => shared.state().pace.fails.clear(),
        "reset" => shared.reset().await?,
        other => bail!("no /_gateway/{other}"),
    }
    Ok(json!({}))
}
