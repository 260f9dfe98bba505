//! The only place that sleeps, and the only one that knows the time scale.

use std::time::{Duration, Instant};

/// The clock of a run, which applies `PROVISION_TIME_SCALE`. All waits, back-off, deadlines and the lease are divided
/// by it, and client-side rate limits are multiplied by it, so that tests against simulated time are fast.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    scale: f64,
}

impl Clock {
    pub fn new(scale: f64) -> Clock {
        Clock { scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 } }
    }

    /// The real time for this number of AWS's seconds.
    pub fn seconds(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds / self.scale).max(0.0))
    }

    /// How many of AWS's seconds have passed since then.
    pub fn since(&self, then: Instant) -> f64 {
        then.elapsed().as_secs_f64() * self.scale
    }

    /// Whether a deadline is over. However fast simulated time runs, real calls take their time, so a deadline is never
    /// shorter than 5 s of real time.
    pub fn is_over(&self, since: Instant, seconds: f64) -> bool {
        since.elapsed() > self.seconds(seconds).max(LEAST_PATIENCE)
    }

    pub fn scale(&self) -> f64 {
        self.scale
    }

    pub async fn sleep(&self, seconds: f64) {
        pause(self.seconds(seconds)).await;
    }
}

/// The shortest deadline. With a scale below 12, no deadline of this program is as short.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// Sleeps for real time.
#[allow(clippy::disallowed_methods, reason = "the one place")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Sleeps for real time. It blocks its thread, so call it only on a thread that may block.
#[allow(clippy::disallowed_methods, reason = "the one place")]
pub fn pause_here(duration: Duration) {
    std::thread::sleep(duration);
}

pub async fn until(due: Instant) {
    pause(due.saturating_duration_since(Instant::now())).await;
}

/// How many seconds to wait before the next try: 0.25, 0.5, 1, 2, 4, 8, 8, …, with a third of jitter so that many
/// writers do not meet again.
pub fn back_off(attempt: u32) -> f64 {
    let base = 0.25 * f64::from(2u32.saturating_pow(attempt.min(5)));
    let mut byte = [0u8; 1];
    let jitter = match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 0.5,
    };
    base * (0.83 + jitter / 3.0)
}
