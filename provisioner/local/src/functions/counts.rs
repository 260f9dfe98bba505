//! What a function has done since its part started.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::store::now_ms;
use crate::tables::Read;

/// The counts, as the part tells them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    pub invocations: u64,
    pub errors: u64,
    pub throttles: u64,
    /// The durations of the last 1,000 invocations. `None` before the first one.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// The processes that run, and those of them that have an event.
    pub processes: usize,
    pub busy: usize,
    /// The events that wait for a process.
    pub waiting: usize,
    /// The accepted events that are not done yet.
    pub accepted: usize,
    /// How far the streams of tables are handled, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<String, Read>,
    pub last_error: Option<LastError>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// The time in milliseconds since 1970.
    pub at: u64,
    pub text: String,
}

#[derive(Default)]
pub struct Counts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    counted: Counted,
    durations: VecDeque<Duration>,
}

const KEPT: usize = 1000;

impl Counts {
    pub fn throttled(&self) {
        self.inner().counted.throttles += 1;
    }

    pub fn invoked(&self, took: Duration, failure: Option<&Failure>) {
        let mut inner = self.inner();
        inner.counted.invocations += 1;
        if inner.durations.len() == KEPT {
            inner.durations.pop_front();
        }
        inner.durations.push_back(took);
        if let Some(failure) = failure {
            inner.counted.errors += 1;
            inner.counted.last_error = Some(LastError { at: now_ms(), text: failure.text() });
        }
    }

    pub fn counted(&self) -> Counted {
        let inner = self.inner();
        let mut sorted: Vec<Duration> = inner.durations.iter().copied().collect();
        sorted.sort_unstable();
        let (p50_ms, p99_ms) = (percentile(&sorted, 50), percentile(&sorted, 99));
        Counted { p50_ms, p99_ms, ..inner.counted.clone() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Numbers only: a panic leaves nothing half done that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).map(|duration| duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_durations() {
        let counts = Counts::default();
        assert_eq!((counts.counted().p50_ms, counts.counted().p99_ms), (None, None));
        for _ in 0..5 {
            counts.invoked(Duration::from_secs(60), None);
        }
        for milliseconds in 1..=1000 {
            counts.invoked(Duration::from_millis(milliseconds), None);
        }
        counts.invoked(Duration::ZERO, Some(&Failure::of("E", "no")));
        let counted = counts.counted();
        assert_eq!((counted.invocations, counted.errors), (1006, 1));
        assert_eq!((counted.p50_ms, counted.p99_ms), (Some(500.0), Some(990.0)));
        assert_eq!(counted.last_error.unwrap().text, "E: no");
    }
}
