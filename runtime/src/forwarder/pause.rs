//! The pause before a repetition. Each pause is about twice as long as the one before. Its length is partly random, so
//! that callers that failed together do not come back together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

pub struct Pause {
    first: Duration,
    next: Duration,
}

impl Pause {
    pub fn new(first: Duration) -> Self {
        Pause { first, next: first }
    }

    /// Waits. `false`, at once, if the pause would not be over by `until`.
    pub async fn wait(&mut self, until: Instant) -> bool {
        let over = Instant::now() + self.next.mul_f64(0.5 + fraction() / 2.0);
        if over >= until {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep_until(over).await;
        true
    }

    /// Begins again with the shortest pause. A caller that makes progress is not slowed down further.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

const LONGEST: Duration = Duration::from_secs(20);

/// A random number from 0 to 1. Each `RandomState` differs, which is random enough to spread callers.
fn fraction() -> f64 {
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_doubles_up_to_a_limit_and_starts_again() {
        let mut pause = Pause::new(Duration::from_millis(100));
        let far = Instant::now() + Duration::from_secs(3600);
        for expected in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000] {
            let before = Instant::now();
            assert!(pause.wait(far).await);
            let waited = before.elapsed().as_millis();
            assert!((expected / 2..=expected + 1).contains(&waited), "{waited} of {expected} ms");
        }
        pause.reset();
        let before = Instant::now();
        assert!(pause.wait(far).await && before.elapsed() <= Duration::from_millis(101));
        assert!(!pause.wait(Instant::now()).await);
    }
}
