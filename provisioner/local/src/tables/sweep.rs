//! What happens to tables while nobody asks: items expire, and records of streams are trimmed after a day.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Shared, declare, place};
use crate::listen::log;

/// The time between two looks for expired items. AWS deletes them within some days.
const EXPIRY: Duration = Duration::from_secs(1);
/// A look reads every item of the tables whose items expire. The pause after it is so many times as long as the look.
const PAUSE: u32 = 5;
/// The looks for expired items between two looks for old records.
const LOOKS: u32 = 60;
/// How long a record can be read.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Sweeps until the service stops.
pub async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut look = 0_u32;
    let mut pause = EXPIRY;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let (of, trims) = (Arc::clone(&shared), look.is_multiple_of(LOOKS));
        look = look.wrapping_add(1);
        let begin = Instant::now();
        let swept = tokio::task::spawn_blocking(move || {
            expire(&of)?;
            if trims { trim(&of, before(KEPT)) } else { Ok(()) }
        });
        let swept = swept.await;
        pause = EXPIRY.max(begin.elapsed() * PAUSE);
        let trouble = match swept {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "the engine panicked".to_owned(),
        };
        log(&format!("sweeping the tables: {trouble}"));
        if let Err(error) = shared.engine.mend() {
            log(&format!("{error:#}"));
        }
    }
}

fn expire(shared: &Shared) -> Result<()> {
    let database = shared.engine.database()?;
    database.sweep_ttl().map(drop).map_err(|error| anyhow!("{error}"))
}

/// Trims every stream up to a number, and what tables that are gone have left.
pub fn trim(shared: &Shared, until: i64) -> Result<()> {
    for name in declare::tables(&shared.engine.database()?)?.keys() {
        let label = shared.table(name).and_then(|table| table.stream_label).unwrap_or_default();
        shared.kept.trim(name, &place::shard(name, &label), until)?;
    }
    for name in shared.kept.strays()? {
        shared.kept.delete_records(&name)?;
    }
    Ok(())
}

/// The number that a record of so long ago would have.
fn before(ago: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(ago).as_micros() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http_body_util::BodyExt;
    use hyper::{Method, Request};
    use serde_json::{Value, json};

    use super::super::answer::answer;
    use super::super::{Attribute, Config, Kind, Table, View};
    use super::*;

    async fn call(shared: &Shared, operation: &str, input: &Value) -> (u16, Value) {
        let target = format!("DynamoDB_20120810.{operation}");
        let request = Request::builder().method(Method::POST).uri("/").header("x-amz-target", target);
        let signed = "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0";
        let request = request.header("authorization", signed).header("x-amz-date", "20260101T000000Z");
        let (head, ()) = request.header("content-type", "application/x-amz-json-1.0").body(()).unwrap().into_parts();
        let answer = answer(shared, &head, input.to_string().into()).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_trimmed_is_refused_and_the_rest_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let shared = Shared::open(directory.path()).unwrap();
        let key = vec![Attribute { name: "id".into(), kind: Kind::Number }];
        let things = Table { key, stream: Some(View::NewImage), ..Table::default() };
        let config = Config { tables: BTreeMap::from([("things".to_owned(), things)]), ..Config::default() };
        shared.declare(&config).unwrap();
        for id in 1..=3 {
            let item = json!({ "TableName": "things", "Item": { "id": { "N": id.to_string() } } });
            assert_eq!(call(&shared, "PutItem", &item).await.0, 200);
        }
        let described = call(&shared, "DescribeTable", &json!({ "TableName": "things" })).await.1;
        let stream = described["Table"]["LatestStreamArn"].clone();
        let shard = async || {
            let told = call(&shared, "DescribeStream", &json!({ "StreamArn": stream })).await.1;
            told["StreamDescription"]["Shards"][0].clone()
        };
        let id = shard().await["ShardId"].clone();
        let iterator = async |kind: &str, at: Option<&str>| {
            let mut input = json!({ "StreamArn": stream, "ShardId": id, "ShardIteratorType": kind });
            if let Some(at) = at {
                input["SequenceNumber"] = json!(at);
            }
            call(&shared, "GetShardIterator", &input).await
        };
        let read = async |iterator: &Value| {
            call(&shared, "GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] })).await
        };
        let first = iterator("TRIM_HORIZON", None).await.1;
        let before = read(&first).await.1;
        let numbers: Vec<String> = before["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(numbers.len(), 3);
        let at_first = iterator("AT_SEQUENCE_NUMBER", Some(&numbers[0])).await.1;

        let second = super::super::streams::stored(&numbers[1]).unwrap();
        trim(&shared, second).unwrap();
        let rest = read(&iterator("TRIM_HORIZON", None).await.1).await.1;
        assert_eq!(rest["Records"].as_array().unwrap().len(), 1);
        assert_eq!(read(&first).await.1["Records"], rest["Records"]);
        let start = shard().await["SequenceNumberRange"]["StartingSequenceNumber"].clone();
        assert!(start.as_str().unwrap() > numbers[1].as_str() && start.as_str().unwrap() <= numbers[2].as_str());
        for (kind, at, is_there) in [
            ("AT_SEQUENCE_NUMBER", &numbers[1], false),
            ("AFTER_SEQUENCE_NUMBER", &numbers[0], false),
            ("AFTER_SEQUENCE_NUMBER", &numbers[1], true),
            ("AT_SEQUENCE_NUMBER", &numbers[2], true),
        ] {
            let (status, told) = iterator(kind, Some(at)).await;
            assert_eq!(status == 200, is_there, "{kind} {told}");
            assert!(is_there || told["__type"].as_str().unwrap().ends_with("#TrimmedDataAccessException"), "{told}");
        }
        let (status, told) = read(&at_first).await;
        assert!(status == 400 && told["__type"].as_str().unwrap().ends_with("#TrimmedDataAccessException"), "{told}");

        // What a table has left that an SDK deleted goes with the next look.
        assert_eq!(call(&shared, "DeleteTable", &json!({ "TableName": "things" })).await.0, 200);
        assert_eq!(shared.kept.behind("things", 0).unwrap().records, 1);
        trim(&shared, 0).unwrap();
        assert_eq!(shared.kept.behind("things", 0).unwrap().records, 0);
        shared.close();
    }
}
