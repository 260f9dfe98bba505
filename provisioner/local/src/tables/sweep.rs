//! What happens to tables while nobody asks: items expire, and records of streams are trimmed after a day.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use tokio::sync::watch;

use super::{Shared, declare, place};
use crate::listen::log;

/// The time between two looks for expired items. AWS deletes them within some days.
const EXPIRY: Duration = Duration::from_secs(1);
/// The looks for expired items between two looks for old records.
const LOOKS: u32 = 60;
/// How long a record can be read.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Sweeps until the service stops.
pub async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut look = 0;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(EXPIRY) => {}
        }
        let (of, trims) = (Arc::clone(&shared), look % LOOKS == 0);
        look += 1;
        let swept = tokio::task::spawn_blocking(move || {
            expire(&of)?;
            if trims { trim(&of, before(KEPT)) } else { Ok(()) }
        });
        match swept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log(&format!("sweeping the tables: {error:#}")),
            Err(_) => log("sweeping the tables made the engine panic"),
        }
    }
}

fn expire(shared: &Shared) -> Result<()> {
    let database = shared.engine.database()?;
    database.sweep_ttl().map(drop).map_err(|error| anyhow!("{error}"))
}

/// Trims every stream up to a number, and what tables that are gone have left.
pub fn trim(shared: &Shared, until: i64) -> Result<()> {
    for name in declare::tables(&shared.engine.database()?)?.keys() {
        let label = shared.table(name).and_then(|table| table.stream_label).unwrap_or_default();
        shared.kept.trim(name, &place::shard(name, &label), until)?;
    }
    for name in shared.kept.strays()? {
        shared.kept.delete_records(&name)?;
    }
    Ok(())
}

/// The number that a record of so long ago would have.
fn before(ago: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(ago).as_micros() as i64
}
