//! Makes log events into bodies of OpenSearch's `_bulk`: two lines of JSON for each event.
//! <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>

use std::ops::Range;

use hyper::body::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::failed::Refused;
use super::payload::{Events, LogEvent};

/// The largest body. OpenSearch Service takes 10 MiB on its small instances, and works best with 3 to 5.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;
/// The largest document. A larger one fits into no body.
pub const LARGEST_DOCUMENT: usize = 9 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Batch {
    pub body: Bytes,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The place of the event among all events.
    pub event: usize,
    lines: Range<usize>,
}

/// Makes bodies of at most [`LARGEST_BODY`], in the order of the events. A larger event has a body for itself. Gives
/// also the events that no body can hold.
pub fn batches(index_prefix: &str, events: &Events) -> (Vec<Batch>, Vec<Refused>) {
    let mut batches = Vec::new();
    let mut refused = Vec::new();
    let mut body = Vec::with_capacity(LARGEST_BODY.min(events.log_events.len() * 1024));
    let mut items = Vec::new();
    for (place, event) in events.log_events.iter().enumerate() {
        let start = body.len();
        if let Err(reason) = write(&mut body, index_prefix, events, event) {
            body.truncate(start);
            refused.push(Refused { event: place, reason: reason.to_owned() });
            continue;
        }
        if start > 0 && body.len() > LARGEST_BODY {
            let last = body.split_off(start);
            batches.push(Batch { body: std::mem::replace(&mut body, last).into(), items: std::mem::take(&mut items) });
        }
        let start = if items.is_empty() { 0 } else { start };
        items.push(Item { event: place, lines: start..body.len() });
    }
    if !items.is_empty() {
        batches.push(Batch { body: body.into(), items });
    }
    (batches, refused)
}

impl Batch {
    /// Makes some items of this batch into a batch of their own.
    pub fn only(&self, items: &[Item]) -> Batch {
        if items.len() == self.items.len() {
            return Batch { body: self.body.clone(), items: items.to_vec() };
        }
        let mut body = Vec::with_capacity(items.iter().map(|item| item.lines.len()).sum());
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            let start = body.len();
            body.extend_from_slice(&self.body[item.lines.clone()]);
            kept.push(Item { event: item.event, lines: start..body.len() });
        }
        Batch { body: body.into(), items: kept }
    }
}

#[derive(Serialize)]
struct Action<'a> {
    /// The action is `create`, not `index`: if the event is there already, OpenSearch refuses it with 409 and does not
    /// write it again.
    create: Target<'a>,
}

#[derive(Serialize)]
struct Target<'a> {
    _index: &'a str,
    _id: &'a str,
}

/// Our own fields stand beside the fields of the message. Their names begin with `@`, and are the names that AWS has
/// for the same.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    #[serde(rename = "@id")]
    id: &'a str,
    #[serde(rename = "@log_group")]
    log_group: &'a str,
    #[serde(rename = "@log_stream")]
    log_stream: &'a str,
    #[serde(rename = "@message")]
    message: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Writes both lines of an event, or gives the reason why there are none.
fn write(body: &mut Vec<u8>, index_prefix: &str, events: &Events, event: &LogEvent) -> Result<(), &'static str> {
    let no_day = "the timestamp is out of range";
    let nanoseconds = i128::from(event.timestamp) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| no_day)?;
    let (year @ 1970..=9999, month, day) = time.to_calendar_date() else {
        return Err(no_day);
    };
    // A longer id than OpenSearch takes would fail the whole request.
    if event.id.is_empty() || event.id.len() > 512 {
        return Err("the id is empty or longer than 512 bytes");
    }
    let index = format!("{index_prefix}-{year}.{:02}.{day:02}", u8::from(month));
    let action = Action { create: Target { _index: &index, _id: &event.id } };
    let document = Document {
        timestamp: &time.format(&Rfc3339).map_err(|_| no_day)?,
        id: &event.id,
        log_group: &events.log_group,
        log_stream: &events.log_stream,
        message: &event.message,
        fields: fields(&event.message),
    };
    let start = body.len();
    let unwritable = |_| "it cannot be written as JSON";
    serde_json::to_writer(&mut *body, &action).map_err(unwritable)?;
    body.push(b'\n');
    serde_json::to_writer(&mut *body, &document).map_err(unwritable)?;
    body.push(b'\n');
    match body.len() - start {
        ..=LARGEST_DOCUMENT => Ok(()),
        _ => Err("it is too large to be indexed"),
    }
}

/// The fields of a message that is a JSON object.
fn fields(message: &str) -> Map<String, Value> {
    // This cheap look comes first: most messages that are not JSON are then not parsed.
    if !message.trim_start().starts_with('{') {
        return Map::new();
    }
    let Ok(mut fields) = serde_json::from_str(message) else {
        return Map::new();
    };
    clean(&mut fields);
    fields.retain(|name, _| !name.starts_with('@') && !name.starts_with('_'));
    fields
}

/// Removes fields with bad names. One of them would make OpenSearch refuse the whole event. The text of the event still
/// has everything.
fn clean(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| name.split('.').all(|part| !part.trim().is_empty()));
    fields.values_mut().for_each(clean_value);
}

fn clean_value(value: &mut Value) {
    match value {
        Value::Object(fields) => clean(fields),
        Value::Array(values) => values.iter_mut().for_each(clean_value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn events(messages: &[(&str, i64, &str)]) -> Events {
        Events {
            log_group: "/shop/orders".to_owned(),
            log_stream: "task/1".to_owned(),
            log_events: messages
                .iter()
                .map(|(id, timestamp, message)| LogEvent {
                    id: (*id).to_owned(),
                    timestamp: *timestamp,
                    message: (*message).to_owned(),
                })
                .collect(),
        }
    }

    fn lines(batch: &Batch) -> Vec<Value> {
        let text = std::str::from_utf8(&batch.body).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn fields_of_a_json_message_stand_beside_ours_and_never_replace_them() {
        let message = r#"{"event":"order.created","id":1,"@timestamp":"x","_id":"x","a..b":1,"":2,
            "n":{"k":1,"":[{" ":1}]},"l":[{"":1}]}"#;
        let batch = &batches("logs", &events(&[("37", 1_700_000_000_123, message)])).0[0];
        let lines = lines(batch);
        assert_eq!(lines[0], json!({ "create": { "_index": "logs-2023.11.14", "_id": "37" } }));
        assert_eq!(
            lines[1],
            json!({
                "@timestamp": "2023-11-14T22:13:20.123Z", "@message": message, "@log_group": "/shop/orders",
                "@log_stream": "task/1", "@id": "37",
                "event": "order.created", "id": 1, "n": { "k": 1 }, "l": [{}]
            })
        );
    }

    #[test]
    fn each_event_goes_to_the_index_of_its_own_day() {
        let of_two_days = events(&[("a", 1_704_067_199_999, "x"), ("b", 1_704_067_200_000, "[1]")]);
        let lines = lines(&batches("logs", &of_two_days).0[0]);
        let indexes = [&lines[0], &lines[2]].map(|line| &line["create"]["_index"]);
        assert_eq!(indexes, ["logs-2023.12.31", "logs-2024.01.01"]);
    }

    #[test]
    fn bodies_are_split_before_they_are_too_large() {
        let message = "x".repeat(LARGEST_BODY / 4);
        let many: Vec<_> = (0..9).map(|_| ("a", 0, message.as_str())).collect();
        let (batches, _) = batches("logs", &events(&many));
        let items: Vec<_> = batches.iter().map(|batch| batch.items.len()).collect();
        assert_eq!(items, [3, 3, 3]);
        assert!(batches.iter().all(|batch| batch.body.len() <= LARGEST_BODY && lines(batch).len() == 6));
    }

    #[test]
    fn what_cannot_be_a_document_does_not_hold_the_others_up() {
        let large = "x".repeat(LARGEST_DOCUMENT);
        let mut all: Vec<_> = [i64::MIN, -1, 0, 253_402_300_800_000, i64::MAX].map(|time| ("a", time, "x")).into();
        all.extend([("", 0, "x"), ("a", 0, large.as_str()), ("b", 0, "x")]);
        let (batches, refused) = batches("logs", &events(&all));
        assert_eq!(batches.iter().map(|batch| lines(batch).len()).sum::<usize>(), 4);
        let refused: Vec<_> = refused.iter().map(|refused| (refused.event, refused.reason.as_str())).collect();
        let no_day = "the timestamp is out of range";
        assert_eq!(
            refused,
            [
                (0, no_day),
                (1, no_day),
                (3, no_day),
                (4, no_day),
                (5, "the id is empty or longer than 512 bytes"),
                (6, "it is too large to be indexed")
            ]
        );
    }

    proptest! {
        /// Whatever a message holds, `_bulk` finds as many lines as we count, and our own lines are unchanged.
        #[test]
        fn no_message_breaks_the_frame(messages in prop::collection::vec(message(), 1..20), picked: u32) {
            let all: Vec<_> = messages.iter().map(|message| ("id", 0, message.as_str())).collect();
            let (batches, refused) = batches("logs", &events(&all));
            assert!(refused.is_empty());
            for batch in &batches {
                let some: Vec<_> = batch.items.iter().filter(|item| picked >> item.event & 1 == 1).cloned().collect();
                for batch in [batch, &batch.only(&some)] {
                    if batch.items.is_empty() {
                        continue;
                    }
                    let lines = lines(batch);
                    assert_eq!(lines.len(), 2 * batch.items.len());
                    for (document, item) in lines.chunks(2).map(|pair| &pair[1]).zip(&batch.items) {
                        assert_eq!(document["@message"], messages[item.event]);
                        assert_eq!(document["@id"], "id");
                    }
                }
            }
        }
    }

    fn message() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[{}\\[\\]\",:a-c0-9@_.\\\\\n ]{0,60}",
            prop::collection::btree_map("[a-c@_. ]{0,3}", any::<String>(), 0..5)
                .prop_map(|map| serde_json::to_string_pretty(&map).unwrap()),
        ]
    }
}
