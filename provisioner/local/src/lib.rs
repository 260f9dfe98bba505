//! A stack on this machine: real engines as child processes of one hidden supervisor, and stand-ins for the rest.
//!
//! These promises hold:
//!
//! - Each state directory has one supervisor. It is the parent of everything that runs for the directory. A client says
//!   what should run (`supervisor::part::Wanted`), never how to get there.
//! - Only what is needed to clean up is remembered: the journal names processes, and no secret.
//! - No process outlives its supervisor for longer than until the next call of `supervisor::client::ensure`.

pub mod balancer;
mod client;
pub mod dashboard;
pub mod engines;
pub mod functions;
pub mod hidden;
pub mod http;
pub mod http_api;
mod listen;
pub mod messaging;
mod reread;
pub mod supervisor;
pub mod tables;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
