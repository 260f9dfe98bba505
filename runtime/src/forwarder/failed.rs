//! Puts the events that the search domain will never take into a queue, where they can be looked at and sent again.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>

use std::io::Write;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::pause::Pause;
use super::payload::{Events, LogEvent};
use super::{Forwarder, Tally};
use crate::aws::signed;
use crate::config::FailedQueue;

pub struct Refused {
    /// The place of the event among all events.
    pub event: usize,
    pub reason: String,
}

/// Sends the refused events to the queue. If there is no queue, or the queue does not take an event, the event counts
/// as refused.
pub async fn set_aside(forwarder: &Forwarder, events: &Events, refused: Vec<Refused>, until: Instant) -> Tally {
    let mut tally = Tally::default();
    let Some(queue) = &forwarder.config.failed else {
        refused.into_iter().for_each(|refused| tally.refuse(refused.reason));
        return tally;
    };
    let mut round = Vec::new();
    for refused in refused {
        match body(events, &refused) {
            body if body.len() > LARGEST => tally.refuse(format!("{}, and too large for the queue", refused.reason)),
            body => round.push(Message { body, reason: refused.reason }),
        }
    }
    let mut pause = Pause::new(forwarder.config.first_pause);
    while !round.is_empty() {
        let mut again = Vec::new();
        for messages in batches(round) {
            let answers = send(forwarder, queue, &messages, until).await;
            for (message, answer) in messages.into_iter().zip(answers) {
                match answer {
                    Answer::Taken => tally.set_aside += 1,
                    Answer::Again(why) => again.push((message, why)),
                    Answer::Refused(why) => tally.refuse(format!("{}, {why}", message.reason)),
                }
            }
        }
        if !again.is_empty() && !pause.wait(until).await {
            for (message, why) in again.drain(..) {
                tally.leave(1, format!("{}, {why}", message.reason));
            }
        }
        round = again.into_iter().map(|(message, _)| message).collect();
    }
    tally
}

/// The most bytes of bodies in one request. SQS takes 1 MiB, counting the bodies.
const LARGEST: usize = 1_000_000;
const MOST: usize = 10;

struct Message {
    body: String,
    reason: String,
}

enum Answer {
    Taken,
    Again(String),
    Refused(String),
}

/// The text of a message in the queue.
#[derive(Serialize)]
struct Body<'a> {
    reason: &'a str,
    log_group: &'a str,
    log_stream: &'a str,
    id: &'a str,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// The message of the event, zipped and in base64, if it would be too large for the queue as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_gzip: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch<'a> {
    queue_url: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    message_body: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Results {
    #[serde(default)]
    successful: Vec<Taken>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Taken {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    sender_fault: bool,
}

fn body(events: &Events, refused: &Refused) -> String {
    let event = &events.log_events[refused.event];
    let plain = written(events, event, refused, Some(&event.message), None);
    if plain.len() <= LARGEST {
        return plain;
    }
    written(events, event, refused, None, zipped(&event.message))
}

fn written(
    events: &Events,
    event: &LogEvent,
    refused: &Refused,
    message: Option<&str>,
    message_gzip: Option<String>,
) -> String {
    let body = Body {
        reason: &refused.reason,
        log_group: &events.log_group,
        log_stream: &events.log_stream,
        id: &event.id,
        timestamp: event.timestamp,
        message,
        message_gzip,
    };
    let text = serde_json::to_string(&body).unwrap_or_default();
    // SQS refuses these two characters, besides control characters.
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

fn zipped(message: &str) -> Option<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message.as_bytes()).ok()?;
    Some(BASE64_STANDARD.encode(gzip.finish().ok()?))
}

fn batches(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut size = 0;
    for message in messages {
        size += message.body.len();
        match batches.last_mut() {
            Some(last) if last.len() < MOST && size <= LARGEST => last.push(message),
            _ => {
                size = message.body.len();
                batches.push(vec![message]);
            }
        }
    }
    batches
}

/// Sends messages. Gives one answer for each, in their order.
async fn send(forwarder: &Forwarder, queue: &FailedQueue, messages: &[Message], until: Instant) -> Vec<Answer> {
    let all = |answer: fn(String) -> Answer, why: String| messages.iter().map(|_| answer(why.clone())).collect();
    let (status, said) = match ask(forwarder, queue, messages, until).await {
        Ok(answer) => answer,
        Err(error) => return all(Answer::Again, format!("{error:#}")),
    };
    let text = String::from_utf8_lossy(&said);
    if !status.is_success() {
        // AWS wrote this text about our request. It has no text of an event in it.
        let why = format!("the queue answered {status}: {}", text.chars().take(200).collect::<String>());
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || text.contains("Throttl");
        return all(if passes { Answer::Again } else { Answer::Refused }, why);
    }
    let Ok(results) = serde_json::from_slice::<Results>(&said) else {
        return all(Answer::Again, "the queue's answer is not of SendMessageBatch".to_owned());
    };
    let answer = |place: usize| {
        let place = place.to_string();
        if results.successful.iter().any(|taken| taken.id == place) {
            return Answer::Taken;
        }
        match results.failed.iter().find(|failed| failed.id == place) {
            Some(failed) if failed.sender_fault => Answer::Refused(format!("the queue answered {}", failed.code)),
            Some(failed) => Answer::Again(format!("the queue answered {}", failed.code)),
            None => Answer::Again("the queue did not answer for it".to_owned()),
        }
    };
    (0..messages.len()).map(answer).collect()
}

async fn ask(
    forwarder: &Forwarder,
    queue: &FailedQueue,
    messages: &[Message],
    until: Instant,
) -> anyhow::Result<(StatusCode, hyper::body::Bytes)> {
    let mut entries = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        entries.push(Entry { id: place.to_string(), message_body: &message.body });
    }
    let body = serde_json::to_vec(&SendMessageBatch { queue_url: &queue.url, entries })?;
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.SendMessageBatch")];
    let request = signed::request(&forwarder.config.aws, "sqs", Method::POST, &queue.sqs, "/", &headers, body)?;
    let answer = tokio::time::timeout_at(until, forwarder.client.send(request))
        .await
        .context("no answer in time")
        .flatten()
        .context("sending to the queue")?;
    Ok((answer.status, answer.body))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;

    fn body_of(message: &str) -> String {
        let event = LogEvent { id: "1".to_owned(), timestamp: 5, message: message.to_owned() };
        let events = Events { log_group: "g".to_owned(), log_stream: "s".to_owned(), log_events: vec![event] };
        body(&events, &Refused { event: 0, reason: "400 x".to_owned() })
    }

    #[test]
    fn a_message_has_the_event_and_only_what_sqs_takes() {
        assert_eq!(
            body_of("a\u{1}\u{ffff}서"),
            r#"{"reason":"400 x","log_group":"g","log_stream":"s","id":"1","timestamp":5,"message":"a\u0001\uffff서"}"#
        );
    }

    #[test]
    fn a_large_message_is_zipped() {
        let message = "\"order.created\" ".repeat(60_000);
        let body: Value = serde_json::from_str(&body_of(&message)).unwrap();
        assert_eq!(body.get("message"), None);
        let zipped = BASE64_STANDARD.decode(body["message_gzip"].as_str().unwrap()).unwrap();
        let mut unzipped = String::new();
        GzDecoder::new(zipped.as_slice()).read_to_string(&mut unzipped).unwrap();
        assert!(unzipped == message);
    }

    #[test]
    fn a_request_has_ten_messages_and_less_than_a_mebibyte() {
        let message = |size: usize| Message { body: "x".repeat(size), reason: String::new() };
        let sizes = |messages| batches(messages).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..25).map(|_| message(9)).collect()), [10, 10, 5]);
        assert_eq!(sizes(vec![message(600_000), message(600_000), message(300_000), message(LARGEST)]), [1, 2, 1]);
        assert!(sizes(Vec::new()).is_empty());
    }
}
