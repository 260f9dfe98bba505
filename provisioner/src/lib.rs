//! `provision`: infrastructure as code with a bundled runtime.
//!
//! Data goes one way:
//!
//! ```text
//! stacks/*.yaml ── stack::load ──► Stack        what the user wrote; all problems at once, no network
//!                                   │ expand::expand (pure)
//!                                Desired        the resources: one typed spec each, references between them
//!                                   │ snapshot::take ◄── the cloud: one batched read per kind
//!                                Snapshot       live: ours, wanted or not, and foreign
//!                                   │ Plan::new (pure, synchronous, deterministic)
//!                                 Plan  ── printed, or engine::apply ──► Report
//! ```
//!
//! Invariants, chiefly what is *absent*:
//! - There is no state file. A resource is found again by its name, or for the few kinds that have none by the tags that it
//!   was created with. A tag proves that it is ours; what is not ours is never changed.
//! - The plan cannot write: nothing on the way to it holds more than reads. Only [`engine`] changes anything.
//! - There is no rollback. What depends on a failure is skipped, the rest goes on; running again is the recovery.
//! - No secret is in a spec, a state, an output, a tag or an error: only the version id of a secret is.
//! - Only [`wait`] sleeps, and only [`printer`] prints.

pub mod any;
pub mod artefacts;
pub mod aws;
pub mod board;
pub mod cli;
pub mod commands;
pub mod desired;
pub mod diff;
pub mod engine;
pub mod expand;
pub mod image;
pub mod json;
pub mod kind;
pub mod kinds;
pub mod lease;
mod local;
pub mod plan;
pub mod policy;
pub mod printer;
pub mod roles;
pub mod scope;
pub mod snapshot;
pub mod stack;
pub mod wait;
pub mod yaml;
