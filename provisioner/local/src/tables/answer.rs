//! Answers a request of DynamoDB or its streams: what the engine does differently from AWS is mended on the way to it
//! and back. Requests and answers about items go through as they are.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::refusal::{self, Answer, Refusal};
use super::{Shared, place, streams, text};
use crate::listen::log;

/// The headers that the engine looks at.
const TAKEN: [&str; 5] = ["authorization", "content-type", "date", "x-amz-date", "x-amz-target"];
const GIVEN: [&str; 3] = ["content-type", "x-amz-crc32", "x-amzn-requestid"];
/// The members of requests that may be ARNs.
const NAMES: [&str; 4] = ["ExclusiveStartStreamArn", "ResourceArn", "StreamArn", "TableName"];

/// A request on its way to the engine.
pub struct Asked<'a> {
    pub head: &'a Parts,
    pub operation: &'a str,
    pub body: Bytes,
}

/// What the engine has answered.
pub struct Told {
    pub status: u16,
    headers: HeaderMap,
    pub body: Bytes,
    /// The body is not the engine's, whose checksum is in the headers.
    changed: bool,
}

pub async fn answer(shared: &Shared, head: &Parts, body: Bytes) -> Answer {
    let operation = operation(&head.headers).unwrap_or_default().to_owned();
    let body = match inside(shared, &body) {
        Ok(changed) => changed.map_or(body, Bytes::from),
        Err(refusal) => return refusal.answer(),
    };
    let asked = Asked { head, operation: &operation, body };
    let told = match operation.as_str() {
        "DescribeContinuousBackups" => return backups(shared, &asked),
        "DescribeStream" => match streams::describe(shared, &asked) {
            Ok(Some(described)) => return refusal::respond(200, &described),
            Ok(None) => ask(shared, &asked).await,
            Err(refusal) => return refusal.answer(),
        },
        "GetShardIterator" => match streams::iterator(shared, &asked) {
            Ok(asked) => ask(shared, &asked).await.map(|told| streams::begun(shared, told)),
            Err(refusal) => return refusal.answer(),
        },
        "GetRecords" => match streams::records(shared, &asked) {
            Ok(None) => return refusal::respond(200, &json!({ "Records": [] })),
            Ok(Some(asked)) => ask(shared, &asked).await.map(|told| streams::told(shared, told)),
            Err(refusal) => return refusal.answer(),
        },
        _ => ask(shared, &asked).await,
    };
    match told {
        Ok(told) => told.outside(shared, &operation),
        Err(error) => {
            log(&format!("{operation}: {error:#}"));
            refusal::internal()
        }
    }
}

/// The operation that a request is for.
pub fn operation(headers: &HeaderMap) -> Option<&str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    PREFIXES.iter().find_map(|prefix| target.strip_prefix(prefix))
}

/// What begins the targets of DynamoDB and of its streams.
pub const PREFIXES: [&str; 2] = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."];

/// The body with the engine's names in place of ARNs. `None` if it stays as it is.
fn inside(shared: &Shared, body: &Bytes) -> Result<Option<String>, Refusal> {
    let Ok(body) = std::str::from_utf8(body) else { return Ok(None) };
    for member in text::members(body, &text::EXPRESSIONS) {
        if let Some(why) = text::too_deep(member.key, &member.value) {
            return Err(Refusal::validation(why));
        }
    }
    let mut changes = Vec::new();
    for member in text::members(body, &NAMES) {
        let changed = match member.key {
            "TableName" => place::table(&member.value).map(str::to_owned),
            "ResourceArn" => place::inside(&member.value),
            _ => streams::inside(shared, &member.value),
        };
        changes.extend(changed.map(|changed| (member.at, changed)));
    }
    Ok((!changes.is_empty()).then(|| text::replaced(body, &changes)))
}

async fn ask(shared: &Shared, asked: &Asked<'_>) -> anyhow::Result<Told> {
    let mut request = Request::post(asked.head.uri.clone());
    for name in TAKEN {
        if let Some(value) = asked.head.headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = shared.engine.ask(request.body(Full::from(asked.body.clone()))?).await?;
    Ok(Told { status: answer.status.as_u16(), headers: answer.headers, body: answer.body, changed: false })
}

impl Told {
    pub fn with(self, value: &Value) -> Told {
        Told { body: value.to_string().into(), changed: true, ..self }
    }

    fn outside(mut self, shared: &Shared, operation: &str) -> Answer {
        let place = shared.place();
        if self.status >= 400 {
            let text = String::from_utf8_lossy(&self.body).into_owned();
            let reworded = place.reworded(&text);
            if reworded != text {
                (self.body, self.changed) = (reworded.into(), true);
            }
        } else if OF_TABLES.contains(&operation)
            && let Ok(mut value) = serde_json::from_slice::<Value>(&self.body)
        {
            for description in ["Table", "TableDescription"] {
                if let Some(Value::Object(table)) = value.get_mut(description) {
                    table.entry("DeletionProtectionEnabled").or_insert(json!(false));
                }
            }
            rename(&mut value, &place);
            self = self.with(&value);
        }
        let mut answer = Answer::new(Full::new(self.body));
        *answer.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        for name in GIVEN.into_iter().filter(|name| !self.changed || *name != "x-amz-crc32") {
            if let Some(value) = self.headers.get(name) {
                answer.headers_mut().insert(HeaderName::from_static(name), value.clone());
            }
        }
        answer
    }
}

/// The operations whose answers hold ARNs, and no items.
const OF_TABLES: [&str; 5] = ["CreateTable", "DeleteTable", "DescribeTable", "ListStreams", "UpdateTable"];

/// Puts this place's ARNs and labels into a description, in place of the engine's.
fn rename(value: &mut Value, place: &place::Place) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(label) if ["LatestStreamLabel", "StreamLabel"].contains(&key.as_str()) => {
                        *label = place::iso(label);
                    }
                    value => rename(value, place),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, place)),
        Value::String(text) => {
            if let Some(outside) = place.outside(text) {
                *text = outside;
            }
        }
        _ => {}
    }
}

/// There are no backups here.
fn backups(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let Some(name) = input["TableName"].as_str() else {
        let message = "The parameter 'TableName' is required but was not present in the request";
        return Refusal::validation(message).answer();
    };
    if shared.table(name).is_none() {
        let message = format!("Table not found: {name}");
        let kind = "com.amazonaws.dynamodb.v20120810#TableNotFoundException";
        return Refusal { kind, message }.answer();
    }
    refusal::respond(
        200,
        &json!({ "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "DISABLED" },
        } }),
    )
}
