//! A token bucket: so many requests per second, and some more at once.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub struct Bucket {
    rate: f64,
    burst: f64,
    left: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub fn new(rate: u32, burst: u32) -> Self {
        Bucket { rate: rate.into(), burst: burst.into(), left: Mutex::new((burst.into(), Instant::now())) }
    }

    /// Takes a token, if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = *left;
        let tokens = (tokens + now.saturating_duration_since(since).as_secs_f64() * self.rate).min(self.burst);
        let is_there = tokens >= 1.0;
        *left = (if is_there { tokens - 1.0 } else { tokens }, now.max(since));
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let bucket = Bucket::new(10, 3);
        let start = Instant::now();
        let taken = |milliseconds: u64, tries: usize| {
            let now = start + Duration::from_millis(milliseconds);
            (0..tries).filter(|_| bucket.take(now)).count()
        };
        assert_eq!(taken(0, 5), 3);
        assert_eq!(taken(50, 5), 0);
        assert_eq!(taken(100, 5), 1);
        assert_eq!(taken(350, 5), 2);
        assert_eq!(taken(9000, 5), 3);
    }
}
