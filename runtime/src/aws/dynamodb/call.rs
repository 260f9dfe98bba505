//! One call, with its repetitions. <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>

use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::{DynamoDb, Failed, Refused};
use crate::aws::signed;
use crate::config::Aws;
use crate::telemetry;

/// What DynamoDB says at last.
pub(super) struct Answered {
    /// The error is that the condition does not hold.
    pub(super) answer: Result<Map<String, Json>, Refusal>,
    /// Whether an attempt before may have been done too, because nobody knows what came of it.
    pub(super) is_repeated: bool,
}

pub(super) struct Refusal {
    /// The item for which the condition does not hold.
    pub(super) item: Option<Json>,
}

impl DynamoDb {
    /// Calls until there is an answer, or the time is over.
    pub(super) async fn call(&self, operation: &str, asked: &Json) -> Result<Answered, Failed> {
        let body = asked.to_string();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        let mut is_repeated = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let attempt = tokio::time::timeout(ATTEMPT.min(left), self.attempt(operation, &body)).await;
            let why = match attempt.unwrap_or_else(|_| Err(Attempt::Unknown(anyhow!("no answer in time")))) {
                Ok(answer) => return Ok(Answered { answer, is_repeated }),
                Err(Attempt::Refused(refused)) => return Err(Failed::Refused(refused)),
                Err(Attempt::Never(why)) => return Err(Failed::Other(why.context(told(operation, asked)))),
                Err(Attempt::NotDone(why)) => why,
                Err(Attempt::Unknown(why)) => {
                    is_repeated = true;
                    why
                }
            };
            // Somebody who comes at a random time is in nobody's way.
            let waits = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if Instant::now() + waits + LEAST >= deadline {
                return Err(Failed::Other(why.context(told(operation, asked))));
            }
            telemetry::debug("dynamodb.again", &json!({ "operation": operation, "message": format!("{why:#}") }));
            tokio::time::sleep(waits).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, operation: &str, body: &str) -> Result<Result<Map<String, Json>, Refusal>, Attempt> {
        let credentials = self.credentials.get().await.map_err(Attempt::NotDone)?;
        let aws = Aws { region: self.region.clone(), credentials };
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let request = signed::request(&aws, "dynamodb", Method::POST, &self.endpoint, "/", &headers, body.to_owned());
        let answer = self.client.send(request.map_err(Attempt::Never)?).await.map_err(Attempt::Unknown)?;
        if answer.status.is_success() {
            let read = serde_json::from_slice(&answer.body).context("the answer is not JSON");
            return read.map(Ok).map_err(Attempt::Unknown);
        }
        let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
        // A type has a namespace in front, with `#`.
        let code = said.code.rsplit('#').next().unwrap_or_default();
        let told = || anyhow!("{} {code}: {}", answer.status.as_u16(), said.message);
        Err(match code {
            "ConditionalCheckFailedException" => return Ok(Err(Refusal { item: said.item })),
            // The text is about what was sent, and may be told to who has sent it.
            "ValidationException" | "ItemCollectionSizeLimitExceededException" => {
                Attempt::Refused(Refused(said.message.clone().into()))
            }
            "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" | "InvalidSignatureException" => {
                // New ones may be there. If not, the time for the repetitions ends this.
                self.credentials.forget(&aws.credentials).await;
                Attempt::NotDone(told())
            }
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "TransactionConflictException"
            | "ReplicatedWriteConflictException" => Attempt::NotDone(told()),
            _ if answer.status.is_server_error() => Attempt::Unknown(told()),
            _ if answer.status == StatusCode::TOO_MANY_REQUESTS => Attempt::NotDone(told()),
            _ => Attempt::Never(told()),
        })
    }
}

/// The time for all attempts together. A handler of a server has 15 s.
const PATIENCE: Duration = Duration::from_secs(6);
const ATTEMPT: Duration = Duration::from_secs(2);
/// No attempt has less time than this.
const LEAST: Duration = Duration::from_millis(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why an attempt has no answer.
enum Attempt {
    /// What was sent is not taken.
    Refused(Refused),
    /// The same attempt would fail again.
    Never(anyhow::Error),
    /// It was not done, and may be another time.
    NotDone(anyhow::Error),
    /// Nobody knows whether it was done.
    Unknown(anyhow::Error),
}

/// A refusal. Some have `message`, and some `Message`.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
    #[serde(rename = "Item")]
    item: Option<Json>,
}

/// What was being done. The key and the item are not told: they may be somebody's.
fn told(operation: &str, asked: &Json) -> String {
    format!("{operation} on the table {}", asked["TableName"].as_str().unwrap_or_default())
}
