//! The payload that CloudWatch Logs sends to a subscription: `{"awslogs": {"data": base64(gzip(json))}}`.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>

use std::io::Read;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Log events of one stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    pub log_group: String,
    pub log_stream: String,
    pub log_events: Vec<LogEvent>,
}

#[derive(Debug, Deserialize)]
pub struct LogEvent {
    pub id: String,
    /// The time of the event, in milliseconds since 1970.
    pub timestamp: i64,
    pub message: String,
}

/// Decodes a payload. `None` for a control message, which only probes whether the subscription can be reached.
pub fn decode(event: &[u8]) -> anyhow::Result<Option<Events>> {
    let Subscription { awslogs } = json(event).context("not an event of a log subscription")?;
    let zipped = BASE64_STANDARD.decode(awslogs.data).map_err(|_| anyhow::anyhow!("the log data is not base64"))?;
    let mut plain = Vec::new();
    MultiGzDecoder::new(zipped.as_slice())
        .take(LARGEST + 1)
        .read_to_end(&mut plain)
        .context("the log data is not gzip")?;
    anyhow::ensure!(plain.len() as u64 <= LARGEST, "the log data unpacks to more than {LARGEST} bytes");
    let Kind { message_type } = json(&plain).context("the log data")?;
    match message_type {
        MessageType::Control => Ok(None),
        MessageType::Data => Ok(Some(json(&plain).context("the log data")?)),
    }
}

/// The most bytes that a payload may unzip to. A payload is at most 1 MiB as it comes. Logs shrink to a tenth when
/// zipped, a zip bomb to a thousandth.
const LARGEST: u64 = 32 * 1024 * 1024;

#[derive(Deserialize)]
struct Subscription {
    awslogs: AwsLogs,
}

#[derive(Deserialize)]
struct AwsLogs {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    message_type: MessageType,
}

#[derive(Deserialize)]
enum MessageType {
    #[serde(rename = "DATA_MESSAGE")]
    Data,
    #[serde(rename = "CONTROL_MESSAGE")]
    Control,
}

/// Parses JSON. The message of serde is left out: it quotes the value that it did not expect, which here is somebody's
/// log.
fn json<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        anyhow::anyhow!("not the expected JSON at line {line} column {column}")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn subscription(plain: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain).unwrap();
        let data = BASE64_STANDARD.encode(gzip.finish().unwrap());
        json!({ "awslogs": { "data": data } }).to_string().into_bytes()
    }

    #[test]
    fn a_data_message_gives_its_events() {
        let message = json!({
            "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/shop/reader", "logStream": "a/b",
            "subscriptionFilters": ["f"],
            "logEvents": [{ "id": "37", "timestamp": 1_700_000_000_000_i64, "message": "m", "extractedFields": {} }]
        });
        let events = decode(&subscription(message.to_string().as_bytes())).unwrap().unwrap();
        assert_eq!((events.log_group.as_str(), events.log_stream.as_str()), ("/shop/reader", "a/b"));
        assert_eq!(events.log_events[0].id, "37");
    }

    #[test]
    fn a_control_message_gives_nothing() {
        assert!(decode(&subscription(br#"{"messageType":"CONTROL_MESSAGE"}"#)).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_an_error_that_quotes_nothing() {
        let secret = br#"{"messageType":"DATA_MESSAGE","logGroup":["hunter2"]}"#;
        let bomb = vec![b' '; LARGEST as usize + 2];
        let wrong: [(&[u8], &str); 6] = [
            (b"", "not an event of a log subscription: not the expected JSON at line 1 column 0"),
            (b"{\"hunter2\":1}", "not an event of a log subscription: not the expected JSON at line 1 column 13"),
            (br#"{"awslogs":{"data":"hunter2!"}}"#, "the log data is not base64"),
            (br#"{"awslogs":{"data":"aHVudGVyMg=="}}"#, "the log data is not gzip: unexpected end of file"),
            (&subscription(secret), "the log data: not the expected JSON at line 1 column 41"),
            (&subscription(&bomb), "the log data unpacks to more than 33554432 bytes"),
        ];
        for (event, message) in wrong {
            assert_eq!(format!("{:#}", decode(event).unwrap_err()), message);
        }
    }

    proptest! {
        /// Damage of any kind, in each of the three layers, causes no panic.
        #[test]
        fn nothing_panics(any: Vec<u8>, place: prop::sample::Index, byte: u8, text: String) {
            let plain = json!({ "messageType": "DATA_MESSAGE", "logGroup": text, "logStream": text,
                "logEvents": [{ "id": text, "timestamp": 1, "message": text }] });
            let good = subscription(plain.to_string().as_bytes());
            assert_eq!(decode(&good).unwrap().unwrap().log_events[0].message, text);
            let mut damaged = good.clone();
            damaged[place.index(good.len())] = byte;
            let _ = decode(&damaged);
            let _ = decode(&good[..place.index(good.len())]);
            let _ = decode(&any);
            let _ = decode(&subscription(&any));
            let zipped = json!({ "awslogs": { "data": BASE64_STANDARD.encode(&any) } });
            let _ = decode(zipped.to_string().as_bytes());
        }
    }
}
