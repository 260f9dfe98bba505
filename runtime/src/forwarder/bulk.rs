//! Log events as bodies of OpenSearch's `_bulk`: two lines of JSON for each event.
//! <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::payload::{Events, LogEvent};

/// OpenSearch Service takes 10 MiB on its small instances, and works best with 3 to 5.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    pub items: usize,
}

/// Bodies of at most [`LARGEST_BODY`], in the order of the events; a larger event has one for itself. And the number of
/// events that are in none, as their time has no day to name an index after.
pub fn bodies(index_prefix: &str, events: &Events) -> (Vec<Body>, usize) {
    let mut bodies = Vec::new();
    let mut undated = 0;
    let mut body = Body::default();
    for event in &events.log_events {
        let Some(lines) = lines(index_prefix, events, event) else {
            undated += 1;
            continue;
        };
        if body.items > 0 && body.bytes.len() + lines.len() > LARGEST_BODY {
            bodies.push(std::mem::take(&mut body));
        }
        body.bytes.extend(lines.into_bytes());
        body.items += 1;
    }
    if body.items > 0 {
        bodies.push(body);
    }
    (bodies, undated)
}

/// `create`, not `index`: an event that is there already is then refused with 409, and not written again.
fn lines(index_prefix: &str, events: &Events, event: &LogEvent) -> Option<String> {
    let nanoseconds = i128::from(event.timestamp) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    let (year @ 1970..=9999, month, day) = time.to_calendar_date() else {
        return None;
    };
    let index = format!("{index_prefix}-{year}.{:02}.{day:02}", u8::from(month));
    let action = json!({ "create": { "_index": index, "_id": event.id } });
    let document = Value::Object(document(events, event, &time.format(&Rfc3339).ok()?));
    Some(format!("{action}\n{document}\n"))
}

fn document(events: &Events, event: &LogEvent, timestamp: &str) -> Map<String, Value> {
    let mut document = match serde_json::from_str(&event.message) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    // One bad name would have OpenSearch refuse the whole event; its text still has everything.
    document.retain(|name, _| can_be_a_field(name));
    for (name, value) in [
        ("@timestamp", timestamp),
        ("message", &event.message),
        ("log_group", &events.log_group),
        ("log_stream", &events.log_stream),
        ("id", &event.id),
    ] {
        document.insert(name.to_owned(), Value::from(value));
    }
    document
}

/// Names with `_` in front belong to OpenSearch (`_id`, `_source`), and dots separate objects.
fn can_be_a_field(name: &str) -> bool {
    !name.starts_with('_') && name.split('.').all(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(messages: &[(&str, i64, &str)]) -> Events {
        Events {
            log_group: "/sendy/reservation".to_owned(),
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

    #[test]
    fn fields_of_a_json_message_stand_beside_ours_and_never_replace_them() {
        let message =
            r#"{"event":"reservation.created","id":"theirs","@timestamp":"x","_id":"x","a..b":1,"":2,"n":{"k":1}}"#;
        let body = &bodies("logs", &events(&[("37", 1_700_000_000_123, message)])).0[0];
        let text = std::str::from_utf8(&body.bytes).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(text.ends_with('\n'));
        assert_eq!(lines[0], json!({ "create": { "_index": "logs-2023.11.14", "_id": "37" } }));
        assert_eq!(
            lines[1],
            json!({
                "@timestamp": "2023-11-14T22:13:20.123Z", "message": message, "log_group": "/sendy/reservation",
                "log_stream": "task/1", "id": "37", "event": "reservation.created", "n": { "k": 1 }
            })
        );
    }

    #[test]
    fn each_event_goes_to_the_index_of_its_own_day() {
        let of_two_days = events(&[("a", 1_704_067_199_999, "x"), ("b", 1_704_067_200_000, "[1]")]);
        let body = &bodies("logs", &of_two_days).0[0];
        let text = std::str::from_utf8(&body.bytes).unwrap();
        assert!(text.contains("logs-2023.12.31") && text.contains("logs-2024.01.01"));
        assert_eq!(body.items, 2);
    }

    #[test]
    fn bodies_are_split_before_they_are_too_large() {
        let message = "x".repeat(LARGEST_BODY / 4);
        let many: Vec<_> = (0..9).map(|_| ("a", 0, message.as_str())).collect();
        let (bodies, _) = bodies("logs", &events(&many));
        let items: Vec<_> = bodies.iter().map(|body| body.items).collect();
        assert_eq!(items, [3, 3, 3]);
        assert!(bodies.iter().all(|body| body.bytes.len() <= LARGEST_BODY));
    }

    #[test]
    fn an_event_without_a_day_does_not_hold_the_others_up() {
        let times = [i64::MIN, -1, 0, 253_402_300_800_000, i64::MAX];
        let (bodies, undated) = bodies("logs", &events(&times.map(|time| ("a", time, "x"))));
        assert_eq!((bodies.len(), bodies[0].items, undated), (1, 1, 4));
    }
}
