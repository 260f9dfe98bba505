//! The calls of DynamoDB Streams that a function's part makes.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::client::Client;

pub struct Streams {
    client: Client,
    url: String,
}

/// A stream with its shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    pub arn: String,
    pub shard: String,
}

/// What one call has read.
pub struct Read {
    pub records: Vec<Value>,
    /// The place behind these records. `None` if there is none.
    pub next: Option<String>,
}

/// Where to read.
pub enum At<'a> {
    Oldest,
    After(&'a str),
}

/// The most records of one call.
pub const MOST: usize = 1000;
const WITHIN: Duration = Duration::from_secs(30);
/// The signature counts for nothing, but a request without one is refused.
pub const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=provision/20260101/here/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

impl Streams {
    pub fn new(url: &str) -> Self {
        Streams { client: Client::new(), url: url.to_owned() }
    }

    /// The stream of a table. `None` if it is off. A table has one shard here.
    pub async fn find(&self, table: &str) -> Result<Option<Stream>> {
        let listed = self.call("ListStreams", &json!({ "TableName": table })).await?;
        let Some(arn) = text(&listed["Streams"][0]["StreamArn"]) else { return Ok(None) };
        let described = self.call("DescribeStream", &json!({ "StreamArn": arn })).await?;
        let shard =
            text(&described["StreamDescription"]["Shards"][0]["ShardId"]).context("a stream without a shard")?;
        Ok(Some(Stream { arn, shard }))
    }

    /// A place to read from. `None` if the record is trimmed.
    pub async fn iterator(&self, stream: &Stream, at: At<'_>) -> Result<Option<String>> {
        let (kind, sequence) = match at {
            At::Oldest => ("TRIM_HORIZON", None),
            At::After(sequence) => ("AFTER_SEQUENCE_NUMBER", Some(sequence)),
        };
        let mut asked = json!({ "StreamArn": stream.arn, "ShardId": stream.shard, "ShardIteratorType": kind });
        if let Some(sequence) = sequence {
            asked["SequenceNumber"] = json!(sequence);
        }
        match self.call("GetShardIterator", &asked).await {
            Ok(told) => Ok(Some(text(&told["ShardIterator"]).context("no iterator")?)),
            Err(error) if is_trimmed(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn read(&self, iterator: &str, most: usize) -> Result<Read> {
        let asked = json!({ "ShardIterator": iterator, "Limit": most.clamp(1, MOST) });
        let mut told = self.call("GetRecords", &asked).await?;
        let records = match told["Records"].take() {
            Value::Array(records) => records,
            _ => Vec::new(),
        };
        Ok(Read { records, next: text(&told["NextShardIterator"]) })
    }

    async fn call(&self, action: &str, asked: &Value) -> Result<Value> {
        let target = format!("DynamoDBStreams_20120810.{action}");
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(AUTHORIZATION, SIGNED)
            .header("x-amz-date", "20260101T000000Z")
            .header("x-amz-target", target);
        let answer = self.client.send(request.body(Full::from(asked.to_string()))?, WITHIN).await?;
        if !answer.status.is_success() {
            bail!("{action}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

pub fn is_trimmed(error: &anyhow::Error) -> bool {
    error.to_string().contains("TrimmedDataAccessException")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
