//! ARNs, both ways: the engine has a region and an account of its own, and the stack has others.

use crate::hex;
use dynoxide::streams::{LOCAL_ACCOUNT, LOCAL_REGION};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// The region and account of all tables here. Requests choose neither.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn table(&self, name: &str) -> String {
        format!("{}table/{name}", self.begin())
    }

    pub fn stream(&self, table: &str, label: &str) -> String {
        format!("{}/stream/{}", self.table(table), iso(label))
    }

    /// The engine's ARN as one of this place. Any other text stays.
    pub fn outside(&self, text: &str) -> Option<String> {
        if let Some(key) = text.strip_prefix(&of("kms", "aws", LOCAL_REGION, LOCAL_ACCOUNT)) {
            return Some(of("kms", self.partition(), &self.region, &self.account) + key);
        }
        let rest = text.strip_prefix(&engine())?;
        let rest = match rest.split_once("/stream/") {
            Some((table, label)) => format!("{table}/stream/{}", iso(label)),
            None => rest.to_owned(),
        };
        Some(self.begin() + &rest)
    }

    /// The text with the ARNs in it as ones of this place. It is for sentences.
    pub fn reworded(&self, text: &str) -> String {
        text.replace(&engine(), &self.begin())
    }

    fn begin(&self) -> String {
        of("dynamodb", self.partition(), &self.region, &self.account)
    }

    fn partition(&self) -> &'static str {
        partition::of(&self.region).map_or("aws", |partition| partition.id)
    }
}

/// An ARN of any region and account as one that the engine takes. `None` if it is not an ARN of a table.
pub fn inside(arn: &str) -> Option<String> {
    Some(format!("{}table/{}", engine(), resource(arn)?))
}

/// The table's name in an ARN of the table or of a thing of it.
pub fn table(arn: &str) -> Option<&str> {
    resource(arn)?.split('/').next()
}

/// The label in the ARN of a stream.
pub fn label(arn: &str) -> Option<&str> {
    resource(arn)?.split_once("/stream/").map(|(_, label)| label)
}

/// The engine's label of a stream, `SECONDS.NANOSECONDS`, as AWS writes labels: `2026-01-31T12:00:00.000`.
pub fn iso(label: &str) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros(label)) * 1000);
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = at.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milli:03}", at.date())
}

/// The time in the engine's label of a stream, in microseconds since 1970.
pub fn micros(label: &str) -> i64 {
    let (seconds, nanos) = label.split_once('.').unwrap_or((label, "0"));
    seconds.parse::<i64>().unwrap_or_default() * 1_000_000 + nanos.parse::<i64>().unwrap_or_default() / 1000
}

/// The id of the one shard of a stream. It has the form of AWS's, because SDKs refuse ids of less than 28 characters.
pub fn shard(table: &str, label: &str) -> String {
    let hash = hex(&Sha256::digest(format!("{table} {label}"))[..4]);
    format!("shardId-{:020}-{hash}", micros(label) / 1000)
}

fn resource(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let begins = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("dynamodb");
    parts.nth(2).filter(|_| begins)?.strip_prefix("table/")
}

fn engine() -> String {
    of("dynamodb", "aws", LOCAL_REGION, LOCAL_ACCOUNT)
}

fn of(service: &str, partition: &str, region: &str, account: &str) -> String {
    format!("arn:{partition}:{service}:{region}:{account}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_go_both_ways() {
        let place = Place { account: "123456789012".into(), region: "cn-north-1".into() };
        let stream = "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/a/stream/2026-01-31T12:00:00.000";
        assert_eq!(place.stream("a", "1769860800.000000000"), stream);
        assert_eq!((table(stream), label(stream)), (Some("a"), Some("2026-01-31T12:00:00.000")));
        let inner = dynoxide::streams::stream_arn("a", "1769860800.000000000");
        assert_eq!(place.outside(&inner).as_deref(), Some(stream));
        let key = dynoxide::streams::kms_key_arn("k");
        assert_eq!(place.outside(&key).as_deref(), Some("arn:aws-cn:kms:cn-north-1:123456789012:key/k"));
        assert_eq!(inside(&place.table("a")), Some(dynoxide::streams::table_arn("a")));
        for other in ["", "a", "arn:aws:sns:r:1:a", "arn:aws:dynamodb:r:1:global-table/a"] {
            assert_eq!((inside(other), table(other), place.outside(other)), (None, None, None), "{other}");
        }
    }

    #[test]
    fn a_shard_has_the_form_of_awss() {
        let id = shard("a", "1700000000.000000000");
        assert!(id.starts_with("shardId-00000001700000000000-") && id.len() == 37, "{id}");
        assert_ne!(id, shard("b", "1700000000.000000000"));
    }
}
