//! How far the replica is behind. The owner of the schema counts a heartbeat up on the primary, and this module reads
//! it on both servers.
//!
//! The clocks of the databases are not compared with each other. This process notes when it saw a beat on the primary.
//! If the replica has a later beat, it also has everything that was committed before that moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde_json::json;

use crate::background::Loop;
use crate::data::database::{Database, READ_TIMEOUT, Server};
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics};

pub struct Freshness {
    max_lag: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The beats of the primary and when each was first seen there. The oldest is first.
    beats: VecDeque<(u64, Instant)>,
    /// The moment up to which the replica has every commit.
    passed: Option<Instant>,
}

impl Freshness {
    pub fn new(max_lag: Duration) -> Self {
        Freshness { max_lag, known: Mutex::new(Known::default()) }
    }

    /// Whether the replica has everything that was committed before that moment.
    pub fn passed(&self, moment: Instant) -> bool {
        self.lock().passed.is_some_and(|passed| passed >= moment)
    }

    /// Whether the replica is near enough to be read when nothing is known about the row.
    pub fn is_near(&self) -> bool {
        self.lock().passed.is_some_and(|passed| passed.elapsed() <= self.max_lag)
    }

    fn primary_at(&self, beat: u64, now: Instant) {
        let mut known = self.lock();
        if known.beats.back().is_none_or(|(last, _)| *last < beat) {
            known.beats.push_back((beat, now));
        }
        // A counter that went back belongs to another database.
        if known.beats.back().is_some_and(|(last, _)| *last > beat) {
            *known = Known::default();
        }
        if known.beats.len() > MOST_BEATS {
            known.beats.pop_front();
        }
    }

    fn replica_at(&self, beat: u64) {
        let mut known = self.lock();
        while let Some((seen, when)) = known.beats.front().copied() {
            // An equal beat says nothing about what was committed between the beat and the moment when it was seen.
            if seen >= beat {
                break;
            }
            known.passed = Some(when);
            known.beats.pop_front();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the beat of both servers, four times a second. Without a replica there is nothing to do.
pub async fn watch(freshness: Arc<Freshness>, database: Arc<Database>, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    let mut told = None;
    while !this.is_stopping() {
        if let Some(replica) = &database.replica {
            // The replica is asked first. Then a beat that it lacks was on the primary before.
            let on_replica = beat(replica).await;
            let before = Instant::now();
            let on_primary = beat(&database.primary).await;
            if let Ok(beat) = on_primary {
                freshness.primary_at(beat, before);
            }
            if let Ok(beat) = on_replica {
                freshness.replica_at(beat);
            }
            let near = on_replica.is_ok() && freshness.is_near();
            metrics::gauge("ReplicaFar", u64::from(!near));
            if told.is_some_and(|told| told != near) {
                let state = if near { "near" } else { "far" };
                telemetry::warn("replica", &json!({ "state": state }));
            }
            told = Some(near);
        }
        this.sleep(PERIOD).await;
    }
}

/// Counts the heartbeat up. The owner of the schema does so four times a second.
pub async fn count_up(primary: &Server) -> anyhow::Result<()> {
    let mut connection = primary.connection().await?;
    Ok(connection.query_drop("UPDATE heartbeat SET beat = beat + 1 WHERE id = 1").await?)
}

/// Reads the beat that a server has.
pub const BEAT: &str = "SELECT beat FROM heartbeat WHERE id = 1";

const PERIOD: Duration = Duration::from_millis(250);
/// The number of beats in an hour.
const MOST_BEATS: usize = 4 * 3600;

async fn beat(server: &Server) -> Result<u64, ()> {
    let asked = async {
        let mut connection = server.connection().await?;
        let beat: Option<u64> = connection.query_first(BEAT).await?;
        anyhow::Ok(beat)
    };
    match server.within(READ_TIMEOUT, asked).await {
        Ok(Some(beat)) => Ok(beat),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_beat_proves_that_the_moment_has_passed() {
        let freshness = Freshness::new(Duration::from_secs(5));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!freshness.passed(start) && !freshness.is_near());
        freshness.primary_at(7, at(0));
        freshness.primary_at(7, at(100));
        freshness.replica_at(7);
        assert!(!freshness.passed(at(0)));
        freshness.primary_at(8, at(250));
        freshness.replica_at(8);
        assert!(freshness.passed(at(0)) && !freshness.passed(at(1)));
        freshness.primary_at(11, at(500));
        freshness.replica_at(11);
        assert!(freshness.passed(at(250)) && !freshness.passed(at(251)));
        assert!(freshness.is_near());
    }

    #[test]
    fn a_replica_that_stands_still_becomes_far() {
        let freshness = Freshness::new(Duration::ZERO);
        freshness.primary_at(1, Instant::now());
        freshness.replica_at(2);
        std::thread::sleep(Duration::from_millis(1));
        assert!(!freshness.is_near());
    }

    #[test]
    fn a_counter_that_goes_back_is_another_database() {
        let freshness = Freshness::new(Duration::from_secs(5));
        freshness.primary_at(100, Instant::now());
        freshness.replica_at(101);
        freshness.primary_at(102, Instant::now());
        freshness.primary_at(3, Instant::now());
        assert!(!freshness.is_near());
    }
}
