//! One hidden process for each stack on this machine. Read `part`, then `client`, then `serve` and `converge`.

pub mod chronicle;
pub mod client;
mod converge;
mod journal;
pub mod logs;
pub mod part;
pub mod place;
pub mod probe;
mod process;
pub mod protocol;
mod reap;
pub mod replication;
pub mod serve;
mod slot;
pub mod sql;

pub(crate) use process::runnable;
