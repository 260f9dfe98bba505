//! A stack on this machine: real engines as child processes under one hidden supervisor, and what stands in for the rest.
//!
//! What holds:
//! - One supervisor for each state directory, and it is the parent of everything that runs for it. Who wants something to
//!   run says what should run (`supervisor::part::Wanted`), never how to get there.
//! - Nothing is remembered but what is needed to clean up: the journal names processes, and no secret.
//! - No process outlives its supervisor for longer than until the next call of `supervisor::client::ensure`.

pub mod balancer;
pub mod dashboard;
pub mod engines;
pub mod hidden;
pub mod http;
pub mod messaging;
pub mod supervisor;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
