//! The changes of a table that a function failed at. Lambda keeps only their places in the stream, so they are read from
//! the stream again, which has them for 24 hours (DynamoDB developer guide, "Change data capture for DynamoDB Streams").

use std::cmp::Ordering;
use std::collections::HashMap;

use aws_sdk_dynamodbstreams::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType, StreamRecord};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::aws::{Cx, Error};
use crate::commands::failed_events::Place;
use crate::kind::Kind;
use crate::kinds::lambda::{Reads, Source, SourceSpec};
use crate::plan::desired::Desired;

/// The IAM actions of this file.
pub(crate) const ACTIONS: &[&str] = &["dynamodb:GetRecords", "dynamodb:GetShardIterator"];

/// Whether a function of the stack takes the stream of a table.
pub(crate) fn is_possible(desired: &Desired) -> bool {
    let sources = desired.resources().iter().filter(|one| one.address.kind == Source::FACTS.name);
    let mut specs = sources.filter_map(|one| one.spec.read::<SourceSpec>().ok());
    specs.any(|spec| matches!(spec.reads, Reads::Stream { .. }))
}

/// The changes at a place, as Lambda hands them to a function, and how many of them the stream does not have any more.
pub(super) async fn read_again(cx: &Cx, place: &Place) -> Result<(Vec<Value>, usize), Error> {
    let from = |of: ShardIteratorType| {
        let call = cx.dynamodb_streams.get_shard_iterator().stream_arn(&place.stream).shard_id(&place.shard);
        call.shard_iterator_type(of)
    };
    let exactly = from(ShardIteratorType::AtSequenceNumber).sequence_number(&place.first);
    let mut next = match iterator(exactly).await {
        Err(error) if error.is(&["TrimmedDataAccessException"]) => {
            // The first are gone. The last may still be there.
            Error::unless_gone(iterator(from(ShardIteratorType::TrimHorizon)).await, GONE)?.flatten()
        }
        other => Error::unless_gone(other, GONE)?.flatten(),
    };
    let mut found = Vec::new();
    'pages: while let Some(iterator) = next {
        let page = cx.dynamodb_streams.get_records().shard_iterator(iterator).send().await?;
        let records = page.records.unwrap_or_default();
        let is_last_page = records.is_empty();
        for record in records {
            let number = record.dynamodb().and_then(StreamRecord::sequence_number).unwrap_or_default().to_owned();
            match (compare(&number, &place.first), compare(&number, &place.last)) {
                (_, Ordering::Greater) => break 'pages,
                (Ordering::Less, _) => {}
                (_, order) => {
                    found.push(event_of(&record, &place.stream));
                    if order == Ordering::Equal {
                        break 'pages;
                    }
                }
            }
        }
        next = page.next_shard_iterator.filter(|_| !is_last_page);
    }
    let gone = place.count.saturating_sub(found.len());
    Ok((found, gone))
}

/// The stream or the shard is not there any more.
const GONE: &[&str] = &["ResourceNotFoundException", "TrimmedDataAccessException"];

async fn iterator(call: GetShardIteratorFluentBuilder) -> Result<Option<String>, Error> {
    Ok(call.send().await?.shard_iterator)
}

/// Compares two sequence numbers, which have up to 40 digits.
fn compare(one: &str, other: &str) -> Ordering {
    let [one, other] = [one, other].map(|number| number.trim_start_matches('0'));
    one.len().cmp(&other.len()).then(one.cmp(other))
}

/// A change in the form in which Lambda hands it to a function (Lambda developer guide, "Using Lambda with DynamoDB").
fn event_of(record: &Record, stream: &str) -> Value {
    let mut told = Map::new();
    if let Some(change) = record.dynamodb() {
        let created = change.approximate_creation_date_time().map(|at| at.secs());
        let images = [("Keys", change.keys()), ("NewImage", change.new_image()), ("OldImage", change.old_image())];
        told.extend(created.map(|at| ("ApproximateCreationDateTime".to_owned(), at.into())));
        told.extend(images.into_iter().filter_map(|(name, image)| Some((name.to_owned(), attributes(image?)))));
        told.extend(change.sequence_number().map(|number| ("SequenceNumber".to_owned(), number.into())));
        told.extend(change.size_bytes().map(|size| ("SizeBytes".to_owned(), size.into())));
        told.extend(change.stream_view_type().map(|view| ("StreamViewType".to_owned(), view.as_str().into())));
    }
    let mut event = json!({
        "eventID": record.event_id(), "eventName": record.event_name().map(|name| name.as_str()),
        "eventVersion": record.event_version(), "eventSource": record.event_source(), "awsRegion": record.aws_region(),
        "dynamodb": told, "eventSourceARN": stream,
    });
    if let Some(who) = record.user_identity() {
        event["userIdentity"] = json!({"type": who.r#type(), "principalId": who.principal_id()});
    }
    event
}

fn attributes(image: &HashMap<String, AttributeValue>) -> Value {
    image.iter().map(|(name, value)| (name.clone(), attribute(value))).collect::<Map<String, Value>>().into()
}

fn attribute(value: &AttributeValue) -> Value {
    let bytes = |blob: &aws_smithy_types::Blob| BASE64_STANDARD.encode(blob);
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::B(blob) => json!({"B": bytes(blob)}),
        AttributeValue::Bool(is) => json!({"BOOL": is}),
        AttributeValue::Null(is) => json!({"NULL": is}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Ns(numbers) => json!({"NS": numbers}),
        AttributeValue::Bs(blobs) => json!({"BS": blobs.iter().map(bytes).collect::<Vec<_>>()}),
        AttributeValue::L(values) => json!({"L": values.iter().map(attribute).collect::<Vec<_>>()}),
        AttributeValue::M(members) => json!({"M": attributes(members)}),
        // A type that DynamoDB has got since has no form that a function would know.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("000000000000000000010", "10"), Ordering::Equal);
        assert_eq!(compare("700000000000000000000000012", "700000000000000000000000003"), Ordering::Greater);
    }

    /// The form of the example event in the Lambda developer guide.
    #[test]
    fn a_change_has_the_form_of_an_event() {
        let change = StreamRecord::builder()
            .keys("Id", AttributeValue::N("101".into()))
            .new_image("Message", AttributeValue::S("New item!".into()))
            .new_image("Id", AttributeValue::N("101".into()))
            .sequence_number("111")
            .size_bytes(26)
            .stream_view_type("NEW_AND_OLD_IMAGES".into())
            .build();
        let record = Record::builder().event_id("1").event_name("INSERT".into()).event_version("1.0");
        let record = record.event_source("aws:dynamodb").aws_region("us-east-1").dynamodb(change).build();
        let expected = json!({
            "eventID": "1", "eventName": "INSERT", "eventVersion": "1.0", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": {"Id": {"N": "101"}}, "NewImage": {"Message": {"S": "New item!"}, "Id": {"N": "101"}},
                "SequenceNumber": "111", "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/t/stream/s",
        });
        assert_eq!(event_of(&record, "arn:aws:dynamodb:us-east-1:1:table/t/stream/s"), expected);
    }
}
