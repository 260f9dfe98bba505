//! Records of a stream as the event of a function, and which of them its answer is about.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use serde_json::{Value, json};

use super::store::{now_ms, timestamp};
use super::streams::Stream;

#[derive(Debug, PartialEq)]
pub enum Outcome {
    Handled,
    /// The place of the lowest record that failed. All before it are handled.
    FailedFrom(usize),
}

/// The event for a function. The text is what goes over the wire.
pub fn event(records: &[Value], stream: &str) -> String {
    let records: Vec<Value> = records.iter().map(|record| of_event(record, stream)).collect();
    json!({ "Records": records }).to_string()
}

/// Puts as many records into each event as fit into it.
pub fn split(records: Vec<Value>, most: usize, largest: usize) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    let mut size = 0;
    for record in records {
        // The ARN comes besides.
        let length = record.to_string().len() + 512;
        match all.last_mut() {
            Some(last) if last.len() < most && size + length <= largest => {
                size += length;
                last.push(record);
            }
            _ => {
                size = length;
                all.push(vec![record]);
            }
        }
    }
    all
}

/// Which records the function has handled. Its answer names those that failed by their sequence numbers, if the mapping
/// has `ReportBatchItemFailures`. A name that is none of them is about all.
pub fn handled(records: &[Value], answer: &[u8], is_partial: bool) -> Outcome {
    let failures = match serde_json::from_slice::<Value>(answer) {
        Ok(Value::Object(mut told)) if is_partial => told.remove("batchItemFailures").unwrap_or_default(),
        _ => Value::Null,
    };
    let failed = match &failures {
        Value::Null => return Outcome::Handled,
        Value::Array(failures) => failures,
        _ => return Outcome::FailedFrom(0),
    };
    let place = |failure: &Value| {
        let named = failure.get("itemIdentifier").and_then(Value::as_str)?;
        records.iter().position(|record| sequence(record) == Some(named))
    };
    // A name that is missing, empty or of no record: nobody knows what has failed.
    let lowest = failed.iter().map(|failure| place(failure).unwrap_or(0)).min();
    lowest.map_or(Outcome::Handled, Outcome::FailedFrom)
}

/// The message about records that failed each time. It says where they are, and not what they are.
pub fn failed(records: &[Value], stream: &Stream, arn: &str, (id, tries, has_failed): (&str, u32, bool)) -> Value {
    let of = |record: Option<&Value>| record.and_then(sequence).unwrap_or_default().to_owned();
    let at = |record: Option<&Value>| {
        let time = timestamp(record.map_or(0, at_ms));
        // Without milliseconds.
        format!("{}Z", &time[..19])
    };
    let (first, last) = (records.first(), records.last());
    let mut response = json!({ "statusCode": 200, "executedVersion": "$LATEST" });
    if has_failed {
        response["functionError"] = json!("Unhandled");
    }
    json!({
        "version": "1.0",
        "timestamp": timestamp(now_ms()),
        "requestContext": {
            "requestId": id,
            "functionArn": arn,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": tries,
        },
        "responseContext": response,
        "DDBStreamBatchInfo": {
            "shardId": stream.shard,
            "startSequenceNumber": of(first),
            "endSequenceNumber": of(last),
            "approximateArrivalOfFirstRecord": at(first),
            "approximateArrivalOfLastRecord": at(last),
            "batchSize": records.len(),
            "streamArn": stream.arn,
        },
    })
}

pub fn sequence(record: &Value) -> Option<&str> {
    record["dynamodb"]["SequenceNumber"].as_str()
}

/// The time of a record in milliseconds since 1970.
pub fn at_ms(record: &Value) -> u64 {
    (record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default() * 1000.0).round() as u64
}

/// Events have whole seconds, and the stream's ARN.
fn of_event(record: &Value, stream: &str) -> Value {
    let mut record = record.clone();
    record["dynamodb"]["ApproximateCreationDateTime"] = json!(at_ms(&record) / 1000);
    record["eventSourceARN"] = json!(stream);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/a/stream/2026-01-31T12:00:00.000";

    fn record(number: u64) -> Value {
        json!({
            "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": { "ApproximateCreationDateTime": 1_479_499_740.5, "Keys": { "id": { "N": "1" } },
                "NewImage": { "id": { "N": "1" } }, "SequenceNumber": number.to_string(), "SizeBytes": 6, "StreamViewType": "NEW_IMAGE" },
        })
    }

    #[test]
    fn the_event_is_that_of_lambda() {
        let mut wanted = record(7);
        wanted["dynamodb"]["ApproximateCreationDateTime"] = json!(1_479_499_740);
        wanted["eventSourceARN"] = json!(STREAM);
        let told: Value = serde_json::from_str(&event(&[record(7)], STREAM)).unwrap();
        assert_eq!(told, json!({ "Records": [wanted] }));
    }

    #[test]
    fn an_answer_names_the_lowest_that_failed() {
        let records = [record(5), record(6), record(7)];
        let of = |answer: &str, is_partial| handled(&records, answer.as_bytes(), is_partial);
        for all in ["", "null", "{}", "\"x\"", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, "[1]"] {
            assert_eq!(of(all, true), Outcome::Handled, "{all}");
        }
        let failed = r#"{"batchItemFailures":[{"itemIdentifier":"7"},{"itemIdentifier":"6"}]}"#;
        assert_eq!((of(failed, true), of(failed, false)), (Outcome::FailedFrom(1), Outcome::Handled));
        for whole in [
            r#"[{"itemIdentifier":"7"},{"itemIdentifier":""}]"#,
            r#"[{"itemIdentifier":null}]"#,
            r#"[{"id":"7"}]"#,
            r#"[{"itemIdentifier":"8"}]"#,
            r#""7""#,
        ] {
            assert_eq!(of(&format!("{{\"batchItemFailures\":{whole}}}"), true), Outcome::FailedFrom(0), "{whole}");
        }
    }

    #[test]
    fn an_event_is_not_too_large() {
        let sizes = |most, largest| {
            let all = split((0..5).map(record).collect(), most, largest);
            all.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(10, 1 << 20), [5]);
        assert_eq!(sizes(2, 1 << 20), [2, 2, 1]);
        assert_eq!(sizes(10, 1800), [2, 2, 1]);
        assert_eq!(sizes(10, 1), [1, 1, 1, 1, 1]);
    }

    #[test]
    fn what_failed_is_told_by_its_place() {
        let stream = Stream { arn: STREAM.into(), shard: "shardId-1".into() };
        let mut told = failed(&[record(5), record(6)], &stream, "arn:f", ("id", 4, true));
        assert!(told["timestamp"].take().as_str().unwrap().ends_with('Z'));
        let wanted = json!({
            "version": "1.0", "timestamp": null,
            "requestContext": { "requestId": "id", "functionArn": "arn:f", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 4 },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "DDBStreamBatchInfo": { "shardId": "shardId-1", "startSequenceNumber": "5", "endSequenceNumber": "6",
                "approximateArrivalOfFirstRecord": "2016-11-18T20:09:00Z", "approximateArrivalOfLastRecord": "2016-11-18T20:09:00Z",
                "batchSize": 2, "streamArn": STREAM },
        });
        assert_eq!(told, wanted);
    }
}
