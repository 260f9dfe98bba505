//! Counters and latencies of this process. Once a minute they are written as one line in CloudWatch's embedded metric
//! format, which needs no agent, no call and no permission.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::background::Loop;
use crate::telemetry;

pub const NAMESPACE: &str = "provision/runtime";
pub const PERIOD: Duration = Duration::from_secs(60);

/// Adds to a counter.
pub fn count(name: &'static str, by: u64) {
    *lock().counters.entry(name).or_default() += by;
}

/// Sets a gauge. The last value in a period is written.
pub fn gauge(name: &'static str, value: u64) {
    lock().gauges.insert(name, value);
}

/// Counts one answered request.
pub fn request(latency: Duration, failed: bool) {
    let mut kept = lock();
    *kept.counters.entry("Requests").or_default() += 1;
    *kept.counters.entry("Failures").or_default() += u64::from(failed);
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    kept.latencies[bucket(micros)] += 1;
}

/// Writes the metrics every minute, until the process stops.
pub async fn every_minute(mut this: Loop) {
    loop {
        this.sleep(PERIOD).await;
        if this.is_stopping() {
            return;
        }
        tell();
    }
}

/// Writes the metrics since the last time.
pub fn tell() {
    if let Some(line) = take() {
        telemetry::metrics(&line);
    }
}

struct Kept {
    counters: BTreeMap<&'static str, u64>,
    gauges: BTreeMap<&'static str, u64>,
    /// The requests by latency. A bucket is a 16th of a power of two wide, so that a quantile is right to 6 %.
    latencies: [u32; BUCKETS],
}

static KEPT: Mutex<Kept> =
    Mutex::new(Kept { counters: BTreeMap::new(), gauges: BTreeMap::new(), latencies: [0; BUCKETS] });

const BUCKETS: usize = 16 * 28;

fn lock() -> std::sync::MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bucket(micros: u64) -> usize {
    let micros = micros.max(16);
    let power = 63 - micros.leading_zeros();
    let within = (micros >> (power - 4)) & 15;
    (((power - 4) as usize) * 16 + usize::try_from(within).unwrap_or(0)).min(BUCKETS - 1)
}

/// The upper end of a bucket, in milliseconds.
fn milliseconds(bucket: usize) -> f64 {
    let (power, within) = (bucket / 16, bucket % 16);
    let micros = (17 + within as u64) << power;
    micros as f64 / 1000.0
}

/// The metrics since the last time. `None` if nothing happened.
fn take() -> Option<Value> {
    let mut kept = lock();
    let latencies = std::mem::replace(&mut kept.latencies, [0; BUCKETS]);
    let counters = std::mem::take(&mut kept.counters);
    let gauges = std::mem::take(&mut kept.gauges);
    drop(kept);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    line(counters, gauges, &latencies, u64::try_from(now.as_millis()).ok()?)
}

fn line(
    counters: BTreeMap<&'static str, u64>,
    gauges: BTreeMap<&'static str, u64>,
    latencies: &[u32],
    now: u64,
) -> Option<Value> {
    let mut values = Map::new();
    let mut described = Vec::new();
    let mut put = |name: &str, unit: &str, value: Value| {
        described.push(json!({ "Name": name, "Unit": unit }));
        values.insert(name.to_owned(), value);
    };
    for (name, value) in counters.into_iter().chain(gauges) {
        put(name, "Count", json!(value));
    }
    for (name, share) in [("LatencyP50", 0.5), ("LatencyP99", 0.99), ("LatencyMax", 1.0)] {
        if let Some(value) = quantile(latencies, share) {
            put(name, "Milliseconds", json!(value));
        }
    }
    if described.is_empty() {
        return None;
    }
    let metrics = json!([{ "Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": described }]);
    values.insert("_aws".to_owned(), json!({ "Timestamp": now, "CloudWatchMetrics": metrics }));
    Some(Value::Object(values))
}

fn quantile(latencies: &[u32], share: f64) -> Option<f64> {
    let all: u64 = latencies.iter().map(|n| u64::from(*n)).sum();
    let wanted = ((all as f64) * share).ceil() as u64;
    let mut seen = 0;
    for (bucket, n) in latencies.iter().enumerate() {
        seen += u64::from(*n);
        if seen >= wanted && seen > 0 {
            return Some(milliseconds(bucket));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_six_percent() {
        let mut latencies = [0; BUCKETS];
        for micros in 1..=10_000_u64 {
            latencies[bucket(micros * 10)] += 1;
        }
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let value = quantile(&latencies, share).unwrap();
            assert!((expected..expected * 1.07).contains(&value), "{share}: {value}");
        }
        assert_eq!(quantile(&[0; BUCKETS], 0.5), None);
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn the_line_names_each_value_with_its_unit() {
        let counters = BTreeMap::from([("Requests", 3)]);
        let line = line(counters, BTreeMap::from([("OutboxDepth", 7)]), &[0; BUCKETS], 1_700_000_000_000).unwrap();
        assert_eq!(
            line,
            json!({
                "Requests": 3, "OutboxDepth": 7,
                "_aws": { "Timestamp": 1_700_000_000_000_u64, "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE, "Dimensions": [["service"]],
                    "Metrics": [{ "Name": "Requests", "Unit": "Count" }, { "Name": "OutboxDepth", "Unit": "Count" }]
                }] }
            })
        );
        assert_eq!(super::line(BTreeMap::new(), BTreeMap::new(), &[0; BUCKETS], 0), None);
    }
}
