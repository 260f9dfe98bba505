//! A schedule: an event every so often.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::asynchronous::Events;
use super::store::{now_ms, timestamp};
use crate::listen::log;
use crate::messaging::new_id;

/// Brings the events of a schedule, for ever. If times have passed while the part did not run, there is one event for
/// all of them.
pub async fn run(events: Arc<Events>, arn: String, every_ms: u64) {
    loop {
        match tick(&events, &arn, every_ms).await {
            Ok(()) => {}
            Err(error) => {
                log(&format!("the schedule {arn}: {error:#}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn tick(events: &Events, arn: &str, every_ms: u64) -> Result<()> {
    let due = events.store.last(arn, now_ms())?.saturating_add(every_ms);
    let wait = due.saturating_sub(now_ms());
    if wait > 0 {
        // The clock may be set meanwhile.
        tokio::time::sleep(Duration::from_millis(wait.min(1000))).await;
        return Ok(());
    }
    let now = now_ms();
    // The times stay where they were, unless some have been missed.
    let at = if now.saturating_sub(due) < every_ms { due } else { now };
    events.accept_scheduled(arn, at, &event(arn, at))
}

/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html>
fn event(arn: &str, at: u64) -> Value {
    let part = |place: usize| arn.split(':').nth(place).unwrap_or_default();
    let time = timestamp(at);
    json!({
        "version": "0",
        "id": new_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": part(4),
        // Without milliseconds.
        "time": format!("{}Z", &time[..19]),
        "region": part(3),
        "resources": [arn],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event in AWS's guide, with other values.
    #[test]
    fn the_event_is_that_of_eventbridge() {
        let mut told = event("arn:aws:events:us-east-1:123456789012:rule/MyScheduledRule", 1_444_323_186_000);
        assert_eq!(told["id"].as_str().unwrap().len(), 36);
        told["id"] = json!("53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa");
        let recorded = json!({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "123456789012", "time": "2015-10-08T16:53:06Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/MyScheduledRule"], "detail": {},
        });
        assert_eq!(told, recorded);
    }
}
