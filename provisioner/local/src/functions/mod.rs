//! Lambda functions on this machine. Each function is one part. The part plays the Runtime API to the processes of the
//! function, hands them events, and brings the events of the function's sources.
//!
//! These promises hold:
//!
//! - An event that was accepted (`Event` invocations, schedules, topics) is written down first. A killed part tries it
//!   again when it is back.
//! - A message of a queue is deleted only after the function has handled it.
//! - The records of a table's stream are handled in their order, one event at a time. How far they are handled is written
//!   down, and a killed part goes on from there.
//! - No process outlives the part. A process that was replaced cannot answer for the new one: each has its own token.
//! - The environment of the processes is the part's own, with what Lambda adds. So no secret is in a file.
//!
//! These are missing or different: processes are not frozen between events, and have no `/tmp` of their own. Layers,
//! extensions, versions and SnapStart are missing. Without reserved concurrency an event that finds all processes busy
//! waits, and nothing is throttled.

pub mod again;
pub mod ask;
mod asynchronous;
mod batch;
pub mod config;
mod counts;
mod failure;
mod invoke;
pub mod part;
mod pool;
mod process;
mod queue;
mod records;
mod runtime_api;
mod schedule;
pub mod serve;
mod sqs;
mod store;
mod streams;
mod table;

pub use counts::Counted;
pub(crate) use store::now_ms;
