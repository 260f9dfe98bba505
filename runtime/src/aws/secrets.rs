//! Secrets Manager: the one call that a function needs.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::fmt;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::{Method, Uri};
use serde::Deserialize;
use serde_json::json;

use super::signed;
use crate::config::Aws;
use crate::http::client::Client;

pub struct Manager {
    pub client: Client,
    pub aws: Aws,
    pub endpoint: Uri,
}

impl Manager {
    /// The text of a secret: of one version, or of the current one. If the version is gone, it is the current one.
    pub async fn text(&self, arn: &str, version: Option<&str>) -> anyhow::Result<String> {
        let mut failed = None;
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            let asked = tokio::time::timeout(TIMEOUT, self.ask(arn, version)).await;
            match asked.unwrap_or_else(|_| Err(Failed::Unreachable(anyhow!("no answer in time")))) {
                Ok(text) => return Ok(text),
                Err(Failed::Refused(code)) if code == GONE && version.is_some() => {
                    return Box::pin(self.text(arn, None)).await;
                }
                Err(Failed::Refused(code)) => return Err(anyhow!("Secrets Manager refuses it: {code}")),
                Err(Failed::Unreachable(error)) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow!("no attempt"))).context("asking Secrets Manager")
    }

    async fn ask(&self, arn: &str, version: Option<&str>) -> Result<String, Failed> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Told {
            secret_string: Option<String>,
        }
        #[derive(Deserialize)]
        struct Refusal {
            #[serde(rename = "__type")]
            code: String,
        }
        let body = match version {
            Some(version) => json!({ "SecretId": arn, "VersionId": version }),
            None => json!({ "SecretId": arn }),
        };
        let headers =
            [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
        let request =
            signed::request(&self.aws, "secretsmanager", Method::POST, &self.endpoint, "/", &headers, body.to_string())
                .map_err(Failed::Unreachable)?;
        let answer = self.client.send(request).await.map_err(Failed::Unreachable)?;
        if answer.status.is_success() {
            // The error of the parser may quote the secret.
            let told: Option<Told> = serde_json::from_slice(&answer.body).ok();
            let text = told.and_then(|told| told.secret_string);
            return text.ok_or_else(|| Failed::Refused("the secret has no text".to_owned()));
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
        // A type may have a namespace in front, with `#`.
        let code = refusal.map(|refusal| refusal.code.rsplit('#').next().unwrap_or_default().to_owned());
        match code {
            Some(code) if answer.status.is_client_error() && !code.contains("Throttl") => Err(Failed::Refused(code)),
            code => Err(Failed::Unreachable(anyhow!("it answered {} {}", answer.status, code.unwrap_or_default()))),
        }
    }
}

enum Failed {
    /// The same request would be refused again.
    Refused(String),
    Unreachable(anyhow::Error),
}

const GONE: &str = "ResourceNotFoundException";
/// The pauses before the attempts. Lambda gives a function 10 s to start.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_millis(800)];
const TIMEOUT: Duration = Duration::from_secs(2);

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
