//! Calls a function again with the records of a stream that it failed at. The queue of failed events says only where the
//! records are, so they are read from the stream again. It keeps them for a day.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::LARGEST_ANSWER;
use super::streams::SIGNED;
use super::{ask, batch};
use crate::http;

/// What became of the records that a message names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Again {
    /// The records that the function has handled now.
    pub handled: usize,
    /// What is not in the stream any more, in a sentence.
    pub gone: Option<String>,
}

/// The function, as its part serves it.
pub struct Function<'a> {
    pub port: u16,
    /// The name as on AWS.
    pub name: &'a str,
    /// Whether it answers which records failed.
    pub partial: bool,
    pub within: Duration,
}

/// Invokes a function with the records that the body of a message of its queue of failed events names. `None` if the
/// message is about another event. If the function fails again, that is an error, and the message is to be kept. Otherwise
/// it is to be deleted. `tables` is the port of DynamoDB.
pub fn redrive(tables: u16, function: &Function<'_>, body: &str) -> Result<Option<Again>> {
    let Ok(Message { batch }) = serde_json::from_str(body) else { return Ok(None) };
    let records = records(tables, &batch)?;
    let missing = batch.size.saturating_sub(records.len());
    let (first, last) = (&batch.first, &batch.last);
    let gone = (missing > 0).then(|| {
        format!("{missing} of {} records from {first} to {last} of {} are not there any more", batch.size, batch.stream)
    });
    let handled = records.len();
    for records in batch::split(records, usize::MAX, LARGEST_ANSWER) {
        let event = batch::event(&records, &batch.stream);
        let answer = ask::invoke(function.port, function.name, &event, function.within)?;
        if let batch::Outcome::FailedFrom(lowest) = batch::handled(&records, &answer, function.partial) {
            let failed = records.get(lowest).and_then(batch::sequence).unwrap_or_default();
            bail!("the function failed again at record {failed}");
        }
    }
    Ok(Some(Again { handled, gone }))
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: Batch,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "streamArn")]
    stream: String,
    #[serde(rename = "shardId")]
    shard: String,
    #[serde(rename = "startSequenceNumber")]
    first: String,
    #[serde(rename = "endSequenceNumber")]
    last: String,
    #[serde(rename = "batchSize")]
    size: usize,
}

/// The records of the batch that are still there.
fn records(port: u16, batch: &Batch) -> Result<Vec<Value>> {
    let iterator = |kind: &str| {
        let mut asked = json!({ "StreamArn": batch.stream, "ShardId": batch.shard, "ShardIteratorType": kind });
        if kind != "TRIM_HORIZON" {
            asked["SequenceNumber"] = json!(batch.first);
        }
        call(port, "GetShardIterator", &asked)
    };
    let mut told = match iterator("AT_SEQUENCE_NUMBER")? {
        Told::Trimmed => iterator("TRIM_HORIZON")?,
        told => told,
    };
    let mut records = Vec::new();
    loop {
        let next = match &told {
            Told::Answer(answer) => answer["ShardIterator"].as_str().or(answer["NextShardIterator"].as_str()),
            // The stream is another one now, and its records are gone.
            Told::Trimmed | Told::NotFound => None,
        };
        let Some(next) = next else { return Ok(records) };
        told = call(port, "GetRecords", &json!({ "ShardIterator": next }))?;
        let Told::Answer(answer) = &told else { return Ok(records) };
        let some = answer["Records"].as_array().cloned().unwrap_or_default();
        let before = records.len();
        let is_empty = some.is_empty();
        records.extend(some.into_iter().filter(|record| {
            let number = batch::sequence(record).unwrap_or_default();
            order(&batch.first) <= order(number) && order(number) <= order(&batch.last)
        }));
        if is_empty || records.len() >= batch.size || (before > 0 && records.len() == before) {
            return Ok(records);
        }
    }
}

/// Numbers of the same length have the order of texts.
fn order(number: &str) -> (usize, &str) {
    (number.len(), number)
}

enum Told {
    Answer(Value),
    Trimmed,
    NotFound,
}

fn call(port: u16, action: &str, asked: &Value) -> Result<Told> {
    let target = format!("DynamoDBStreams_20120810.{action}");
    let headers = [("Authorization", SIGNED), ("X-Amz-Date", "20260101T000000Z"), ("X-Amz-Target", &target)];
    let answer = http::ask(port, "POST", "/", &headers, Some(&asked.to_string()), Duration::from_secs(30));
    let answer = answer.context("asking for the records of a stream")?;
    let text = String::from_utf8_lossy(&answer.body);
    match answer.status {
        200 => Ok(Told::Answer(serde_json::from_str(&text).context("what the stream says")?)),
        400 if text.contains("TrimmedDataAccessException") => Ok(Told::Trimmed),
        400 if text.contains("ResourceNotFoundException") => Ok(Told::NotFound),
        status => bail!("{action}: {status} {text}"),
    }
}
