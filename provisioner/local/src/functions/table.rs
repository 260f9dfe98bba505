//! The records of a table's stream, for a function: read in their order, collected, handled, and passed.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::asynchronous::Events;
use super::batch::{self, Outcome as Handled};
use super::config::{From, Source};
use super::failure::{LARGEST_ANSWER, Outcome};
use super::pool::{Patience, Pool, Readiness};
use super::store::{Checkpoint, Store, now_ms, trace_id};
use super::streams::{At, MOST, Stream, Streams, is_trimmed};
use crate::listen::log;
use crate::messaging::new_id;
use crate::tables;

/// A table whose stream a function takes.
pub struct Mapping {
    pub url: String,
    pub table: String,
    pub batch: usize,
    pub window: Duration,
    pub retries: u32,
    pub bisect: bool,
    pub is_partial: bool,
}

/// The wait before a stream without new records is read again. Lambda reads it four times a second.
const PAUSE: Duration = Duration::from_millis(200);
/// The wait after the stream could not be read.
const TROUBLE: Duration = Duration::from_millis(500);
/// The waits before records that failed are tried again. Each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Notes which tables are sources, and since when. So a record is not missed that is written before the first look.
pub fn begin(store: &Store, sources: &[Source]) -> Result<()> {
    let since = |from: From| match from {
        From::Oldest => 0,
        From::Latest => now_ms(),
    };
    let tables: Vec<(&str, u64)> = sources
        .iter()
        .filter_map(|source| match source {
            Source::Table { table, from, .. } => Some((table.as_str(), since(*from))),
            _ => None,
        })
        .collect();
    store.begin_streams(&tables).context("noting the tables whose streams are read")
}

/// How far each stream is handled.
pub fn read(store: &Store) -> BTreeMap<String, tables::Read> {
    let read = |checkpoint: Checkpoint| match checkpoint.record {
        Some((_, sequence)) => tables::Read::Record(sequence),
        None => tables::Read::Since(checkpoint.since),
    };
    let checkpoints = store.streams().unwrap_or_default();
    checkpoints.into_iter().map(|(table, checkpoint)| (table, read(checkpoint))).collect()
}

/// Takes records for ever.
pub async fn run(pool: Arc<Pool>, events: Arc<Events>, mapping: Mapping) {
    if pool.readiness().wait_for(|readiness| *readiness == Readiness::Ready).await.is_err() {
        return;
    }
    let poller = Poller { streams: Streams::new(&mapping.url), pool, events, mapping };
    let mut trouble: Option<String> = None;
    loop {
        let told = match poller.follow().await {
            Ok(ControlFlow::Break(())) => return,
            Ok(ControlFlow::Continue(())) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(told) = told.as_ref().filter(|told| trouble.as_ref() != Some(*told)) {
            log(&format!("the stream of {} cannot be read: {told}", poller.mapping.table));
        }
        trouble = told;
        tokio::time::sleep(TROUBLE).await;
    }
}

struct Poller {
    pool: Arc<Pool>,
    events: Arc<Events>,
    mapping: Mapping,
    streams: Streams,
}

impl Poller {
    /// Reads from where the last records were handled, until the stream ends or cannot be read. `Break` tells that the
    /// part stops.
    async fn follow(&self) -> Result<ControlFlow<()>> {
        let Some(stream) = self.streams.find(&self.mapping.table).await? else {
            return Ok(ControlFlow::Continue(()));
        };
        let Checkpoint { since, record } =
            self.events.store.streams()?.remove(&self.mapping.table).context("the table is no source")?;
        // The shard is of one stream of one table. Its id stays when the stack moves to another region.
        let last = record.filter(|(of, _)| *of == stream.shard).map(|(_, sequence)| sequence);
        let at = last.as_deref().map_or(At::Oldest, At::After);
        let iterator = match self.streams.iterator(&stream, at).await? {
            Some(iterator) => iterator,
            None => {
                log(&format!(
                    "records of {} are more than a day old, and gone without being handled",
                    self.mapping.table
                ));
                self.streams.iterator(&stream, At::Oldest).await?.context("no iterator")?
            }
        };
        let mut next = Some(iterator);
        while let Some(iterator) = next {
            let (records, behind) = match self.collect(iterator, since).await {
                Ok(collected) => collected,
                // The next look begins with the oldest record that is there.
                Err(error) if is_trimmed(&error) => return Ok(ControlFlow::Continue(())),
                Err(error) => return Err(error),
            };
            for records in batch::split(records, self.mapping.batch, LARGEST_ANSWER) {
                if self.handle(&stream, records).await?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            next = behind;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads until there are enough records, or the window is over. There is no place behind them if the table has
    /// another stream now, or none.
    async fn collect(&self, iterator: String, since: u64) -> Result<(Vec<Value>, Option<String>)> {
        let mut records = Vec::new();
        let mut next = Some(iterator);
        let mut end: Option<Instant> = None;
        while let Some(iterator) = next {
            let missing = self.mapping.batch - records.len();
            let read = self.streams.read(&iterator, missing.min(MOST)).await?;
            next = read.next;
            let is_empty = read.records.is_empty();
            records.extend(read.records.into_iter().filter(|record| batch::at_ms(record) >= since));
            if !records.is_empty() {
                let end = *end.get_or_insert_with(|| Instant::now() + self.mapping.window);
                if records.len() >= self.mapping.batch || Instant::now() >= end {
                    break;
                }
            }
            if is_empty && next.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok((records, next))
    }

    /// Hands the records over, and tries those again that failed: from the lowest one on, or in halves. Those that fail
    /// each time go to the queue of failed events.
    async fn handle(&self, stream: &Stream, records: Vec<Value>) -> Result<ControlFlow<()>> {
        let mut waiting = vec![(records, 0)];
        while let Some((mut records, failures)) = waiting.pop() {
            let id = new_id();
            let event = Bytes::from(batch::event(&records, &stream.arn));
            let Ok(outcome) = self.pool.invoke(&id, event, &trace_id(), Patience::Waits).await else {
                return Ok(ControlFlow::Break(()));
            };
            let handled = match &outcome {
                Outcome::Answered(answer) => batch::handled(&records, answer, self.mapping.is_partial),
                Outcome::Failed(_) => Handled::FailedFrom(0),
            };
            let Handled::FailedFrom(lowest) = handled else {
                self.pass(stream, &records).await;
                continue;
            };
            let rest = records.split_off(lowest);
            log(&format!("{} of {} records failed", rest.len(), rest.len() + records.len()));
            let failures = match lowest {
                0 => failures + 1,
                // The records before are handled. The failure is the first one of these.
                _ => {
                    self.pass(stream, &records).await;
                    1
                }
            };
            if self.mapping.bisect && lowest == 0 && rest.len() > 1 {
                let mut first = rest;
                let second = first.split_off(first.len().div_ceil(2));
                // Halves do not count as tries.
                waiting.extend([(second, failures - 1), (first, failures - 1)]);
            } else if failures > self.mapping.retries {
                self.give_up(stream, &rest, (&id, failures), &outcome).await;
                self.pass(stream, &rest).await;
            } else {
                tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_WAIT)).await;
                waiting.push((rest, failures));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Notes that the stream is handled up to the last of these records.
    async fn pass(&self, stream: &Stream, records: &[Value]) {
        let Some(last) = records.last().and_then(batch::sequence) else { return };
        while let Err(error) = self.events.store.handled(&self.mapping.table, &stream.shard, last) {
            log(&format!("it could not be noted that records are handled: {error:#}"));
            tokio::time::sleep(TROUBLE).await;
        }
    }

    async fn give_up(&self, stream: &Stream, records: &[Value], (id, failures): (&str, u32), outcome: &Outcome) {
        let config = &self.pool.config;
        let Some(queue) = &config.asynchronous.failed_queue else {
            log(&format!("{} records failed {failures} times and are passed over", records.len()));
            return;
        };
        let has_failed = matches!(outcome, Outcome::Failed(_));
        let told = batch::failed(records, stream, &config.arn, (id, failures, has_failed)).to_string();
        while let Err(error) = self.events.queues.send(queue, &told).await {
            log(&format!("failed records are not in the queue of failed events yet: {error:#}"));
            tokio::time::sleep(TROUBLE).await;
        }
    }
}
