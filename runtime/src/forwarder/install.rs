//! Tells the search domain what it must know before the first document: how to index the fields of our indexes, when to
//! delete an index, and who may read. Every process puts all of it again; that changes nothing.
//! <https://docs.opensearch.org/latest/im-plugin/index-templates/>
//! <https://docs.opensearch.org/latest/im-plugin/ism/api/>

use anyhow::Context;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Forwarder, readers, search};
use crate::http::client::Answer;
use crate::telemetry;

/// Puts everything. `true` if it need not be put again. It is an error if the time is over. If the search domain
/// refuses a part, the log says so, and events are stored all the same: a document in an index with guessed fields is
/// better than no document.
pub async fn install(forwarder: &Forwarder, until: Instant) -> anyhow::Result<bool> {
    let mut done = true;
    for prefix in forwarder.config.index_prefixes() {
        done &= template(forwarder, prefix, until).await.context("installing the index template")?;
        done &= retention(forwarder, prefix, until).await.context("installing the retention")?;
    }
    done &= readers::install(forwarder, until).await?;
    Ok(done)
}

const TEMPLATE: &str = include_str!("../../../templates/search/index-template.json");
const RETENTION: &str = include_str!("../../../templates/search/retention.json");

async fn template(forwarder: &Forwarder, prefix: &str, until: Instant) -> anyhow::Result<bool> {
    let body = TEMPLATE.replace("<prefix>", prefix);
    let path = format!("/_index_template/{prefix}");
    let answer = search::insist(forwarder, Method::PUT, &path, &body.into(), until).await?;
    if !answer.status.is_success() {
        telemetry::error("no_index_template", &json!({ "prefix": prefix, "message": search::said(&answer) }));
    }
    Ok(!denied(&answer))
}

/// Puts the policy that deletes old indexes. Indexes that are there keep the policy that they were made under.
async fn retention(forwarder: &Forwarder, prefix: &str, until: Instant) -> anyhow::Result<bool> {
    let days = forwarder.config.retention_days.to_string();
    let body: Bytes = RETENTION.replace("<prefix>", prefix).replace("<days>", &days).into();
    let path = format!("/_plugins/_ism/policies/{prefix}");
    let mut answer = search::insist(forwarder, Method::PUT, &path, &body, until).await?;
    if answer.status == StatusCode::CONFLICT {
        let present = search::insist(forwarder, Method::GET, &path, &Bytes::new(), until).await?;
        match serde_json::from_slice::<Present>(&present.body) {
            Ok(present) if present.keeps() == wanted(&body) => return Ok(true),
            Ok(Present { _seq_no, _primary_term, .. }) => {
                let path = format!("{path}?if_primary_term={_primary_term}&if_seq_no={_seq_no}");
                answer = search::insist(forwarder, Method::PUT, &path, &body, until).await?;
            }
            Err(_) => answer = present,
        }
    }
    // A conflict here means that another process does the same.
    if !answer.status.is_success() && answer.status != StatusCode::CONFLICT {
        telemetry::warn("no_retention", &json!({ "prefix": prefix, "message": search::said(&answer) }));
    }
    Ok(!denied(&answer))
}

/// Whether the search domain refuses our role. If the role is new, this passes.
pub(super) fn denied(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[derive(Deserialize)]
struct Present {
    _seq_no: u64,
    _primary_term: u64,
    policy: Value,
}

impl Present {
    fn keeps(&self) -> Option<Value> {
        self.policy.pointer(AGE).cloned()
    }
}

const AGE: &str = "/states/0/transitions/0/conditions/min_index_age";

fn wanted(body: &[u8]) -> Option<Value> {
    let policy: Value = serde_json::from_slice(body).ok()?;
    policy["policy"].pointer(AGE).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_json_with_the_names_and_numbers_put_in() {
        let template: Value = serde_json::from_str(&TEMPLATE.replace("<prefix>", "orders")).unwrap();
        assert_eq!(template["index_patterns"], json!(["orders-*"]));
        let retention = RETENTION.replace("<prefix>", "orders").replace("<days>", "30");
        assert_eq!(wanted(retention.as_bytes()), Some(json!("30d")));
        let policy: Value = serde_json::from_str(&retention).unwrap();
        assert_eq!(policy["policy"]["ism_template"][0]["index_patterns"], json!(["orders-*"]));
        assert!(!format!("{template}{policy}").contains('<'));
    }
}
