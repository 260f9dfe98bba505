//! The operations of streams, where the engine's differ from AWS's: ARNs, shard ids, pages of shards, and records that
//! are trimmed, of an earlier stream, or of a change that changed nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dynoxide::storage::TableMetadata;
use dynoxide::streams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Asked, Told};
use super::refusal::Refusal;
use super::{Shared, place};
use crate::listen::log;

/// The engine's numbers of records are microseconds since 1970, with this added for the outside.
const OFFSET: u128 = 100_000_000_000_000_000_000;

/// The records of one answer, and their size in bytes. AWS's answers are of a mebibyte.
const MOST: i64 = 1000;
const LARGEST: i64 = 1 << 20;

/// The engine's iterator, in base 64.
#[derive(Serialize, Deserialize)]
struct Iterator {
    table_name: String,
    shard_id: String,
    position: i64,
}

/// The ARN of a stream as the engine has it. `None` if it is none here.
pub fn inside(shared: &Shared, arn: &str) -> Option<String> {
    let (table, label) = (place::table(arn)?, place::label(arn)?);
    let known = shared.table(table)?.stream_label?;
    (place::iso(&known) == label).then(|| streams::stream_arn(table, &known)).or_else(|| place::inside(arn))
}

/// Describes a stream with its one shard. `None` leaves the request to the engine, which has the words to refuse it.
pub fn describe(shared: &Shared, asked: &Asked<'_>) -> Result<Option<Value>, Refusal> {
    let input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let Some(arn) = input["StreamArn"].as_str() else { return Ok(None) };
    let (table, label) = find(shared, arn)?;
    limit(&input, 100)?;
    let shard = place::shard(&table.table_name, &label);
    let is_behind = input["ExclusiveStartShardId"].as_str().is_some_and(|start| start >= shard.as_str());
    let trimmed = shared.kept.trimmed(&shard).ok().flatten();
    let start = place::micros(&label).max(trimmed.map_or(0, |number| number + 1));
    let shards = match is_behind {
        true => json!([]),
        false => json!([{ "ShardId": shard, "SequenceNumberRange": { "StartingSequenceNumber": number(start) } }]),
    };
    Ok(Some(json!({ "StreamDescription": {
        "StreamArn": shared.place().stream(&table.table_name, &label),
        "StreamLabel": place::iso(&label),
        "StreamStatus": "ENABLED",
        "StreamViewType": table.stream_view_type,
        "CreationRequestDateTime": place::micros(&label) as f64 / 1e6,
        "TableName": table.table_name,
        "KeySchema": serde_json::from_str::<Value>(&table.key_schema).unwrap_or_default(),
        "Shards": shards,
    } })))
}

/// The request with the engine's id of the shard.
pub fn iterator<'a>(shared: &Shared, asked: &Asked<'a>) -> Result<Asked<'a>, Refusal> {
    let mut input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let same = || Asked { head: asked.head, operation: asked.operation, body: asked.body.clone() };
    let (Some(arn), Some(shard)) = (input["StreamArn"].as_str(), input["ShardId"].as_str()) else { return Ok(same()) };
    let (table, label) = find(shared, arn)?;
    let known = place::shard(&table.table_name, &label);
    if shard != known {
        let arn = shared.place().stream(&table.table_name, &label);
        let message = format!("Requested resource not found: Shard: {shard} in stream: {arn} not found");
        return Err(Refusal { message, ..Refusal::no_stream("") });
    }
    // A reader that stands at the last trimmed record has missed nothing.
    let last_missing = match input["ShardIteratorType"].as_str() {
        Some("AT_SEQUENCE_NUMBER") => 0,
        Some("AFTER_SEQUENCE_NUMBER") => -1,
        _ => i64::MIN / 2,
    };
    let trimmed = shared.kept.trimmed(&known).ok().flatten();
    if let Some((asked, trimmed)) = input["SequenceNumber"].as_str().and_then(stored).zip(trimmed)
        && last_missing >= -1
        && asked <= trimmed + last_missing
    {
        return Err(Refusal::trimmed());
    }
    input["ShardId"] = json!(streams::shard_id(&table.table_name));
    Ok(Asked { body: input.to_string().into(), ..same() })
}

/// The answer with our id of the shard in the iterator: so it is known later of which stream it is.
pub fn begun(shared: &Shared, told: Told) -> Told {
    let Ok(mut value) = serde_json::from_slice::<Value>(&told.body) else { return told };
    match renamed(shared, &value["ShardIterator"]) {
        Some(iterator) => {
            value["ShardIterator"] = iterator;
            told.with(&value)
        }
        None => told,
    }
}

fn renamed(shared: &Shared, iterator: &Value) -> Option<Value> {
    let mut iterator = read(iterator.as_str()?)?;
    let table = shared.table(&iterator.table_name).filter(|table| table.stream_enabled)?;
    iterator.shard_id = place::shard(&table.table_name, &table.stream_label?);
    Some(json!(written(&iterator)))
}

/// The request with an iterator behind everything that is of an earlier stream of the table, and with a limit that keeps
/// the answer small. `None` if the iterator is of an earlier stream, which has ended.
pub fn records<'a>(shared: &Shared, asked: &Asked<'a>) -> Result<Option<Asked<'a>>, Refusal> {
    let same = || Asked { head: asked.head, operation: asked.operation, body: asked.body.clone() };
    let mut input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let read = input["ShardIterator"].as_str().and_then(read);
    let limit = limit(&input, MOST)?;
    let Some(mut iterator) = read else { return Ok(Some(same())) };
    let Some(table) = shared.table(&iterator.table_name) else { return Ok(Some(same())) };
    let label = table.stream_label.unwrap_or_default();
    let shard = place::shard(&table.table_name, &label);
    if !table.stream_enabled || iterator.shard_id != shard {
        return Ok(None);
    }
    let begin = place::micros(&label) - 1;
    let trimmed = shared.kept.trimmed(&shard).ok().flatten();
    if iterator.position > begin && trimmed.is_some_and(|trimmed| iterator.position < trimmed) {
        return Err(Refusal::trimmed());
    }
    iterator.position = iterator.position.max(begin);
    iterator.shard_id = streams::shard_id(&table.table_name);
    match shared.kept.fitting(&table.table_name, iterator.position, limit, LARGEST) {
        Ok(fitting) => input["Limit"] = json!(fitting),
        Err(error) => log(&format!("the records of {}: {error:#}", table.table_name)),
    }
    input["ShardIterator"] = json!(written(&iterator));
    Ok(Some(Asked { body: input.to_string().into(), ..same() }))
}

/// The answer with this place's region, and without the records of changes that changed nothing. Those are known only if
/// the records hold both images.
pub fn told(shared: &Shared, told: Told) -> Told {
    let Ok(mut value) = serde_json::from_slice::<Value>(&told.body) else { return told };
    if told.status != 200 {
        return told;
    }
    let region = shared.place().region;
    if let Some(records) = value["Records"].as_array_mut() {
        records.retain(|record| !changed_nothing(record));
        for record in records {
            record["awsRegion"] = json!(region);
            let at = record["dynamodb"]["SequenceNumber"].as_str().and_then(stored);
            if let Some(at) = at {
                record["dynamodb"]["ApproximateCreationDateTime"] = json!((at / 1000) as f64 / 1000.0);
            }
        }
    }
    if let Some(iterator) = renamed(shared, &value["NextShardIterator"]) {
        value["NextShardIterator"] = iterator;
    }
    told.with(&value)
}

/// The number of a record as it is told.
pub fn number(stored: i64) -> String {
    (OFFSET + u128::from(stored.unsigned_abs())).to_string()
}

/// The engine's number of a record.
pub fn stored(number: &str) -> Option<i64> {
    i64::try_from(number.parse::<u128>().ok()?.checked_sub(OFFSET)?).ok()
}

fn limit(input: &Value, most: i64) -> Result<i64, Refusal> {
    let limit = input["Limit"].as_i64().unwrap_or(most);
    let bound = match limit {
        _ if limit < 1 => "greater than or equal to 1".to_owned(),
        _ if limit > most => format!("less than or equal to {most}"),
        _ => return Ok(limit),
    };
    Err(Refusal::validation(format!(
        "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"
    )))
}

fn changed_nothing(record: &Value) -> bool {
    let (new, old) = (&record["dynamodb"]["NewImage"], &record["dynamodb"]["OldImage"]);
    record["eventName"] == "MODIFY" && new.is_object() && new == old
}

fn find(shared: &Shared, arn: &str) -> Result<(TableMetadata, String), Refusal> {
    let table = place::table(arn).and_then(|name| shared.table(name)).filter(|table| table.stream_enabled);
    let known = table.and_then(|table| table.stream_label.clone().map(|label| (table, label)));
    // The label is the engine's, because the ARN was given its form before.
    let found = known.filter(|(_, label)| place::label(arn) == Some(label));
    found.ok_or_else(|| Refusal::no_stream(&shared.place().reworded(arn)))
}

fn read(iterator: &str) -> Option<Iterator> {
    serde_json::from_slice(&STANDARD.decode(iterator).ok()?).ok()
}

fn written(iterator: &Iterator) -> String {
    STANDARD.encode(json!(iterator).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        assert_eq!(number(1_761_000_000_000_000), "100001761000000000000");
        assert_eq!(stored("100001761000000000000"), Some(1_761_000_000_000_000));
        for never in ["", "5", "x", "99999999999999999999", "999999999999999999999999999999999999999999"] {
            assert_eq!(stored(never), None, "{never}");
        }
    }

    #[test]
    fn a_change_of_nothing_is_known_by_its_images() {
        let record = |name: &str, new: Value, old: Value| json!({ "eventName": name, "dynamodb": { "NewImage": new, "OldImage": old } });
        let (one, two) = (json!({ "a": { "S": "1" } }), json!({ "a": { "S": "2" } }));
        assert!(changed_nothing(&record("MODIFY", one.clone(), one.clone())));
        assert!(!changed_nothing(&record("MODIFY", one.clone(), two)));
        assert!(!changed_nothing(&record("MODIFY", Value::Null, Value::Null)));
        assert!(!changed_nothing(&record("INSERT", one.clone(), one)));
    }
}
