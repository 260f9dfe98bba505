//! `provision`: infrastructure as code with a bundled runtime.
//!
//! Data goes one way:
//!
//! ```text
//! stacks/*.yaml ── sections::load ─► Stack        what the user wrote; all problems at once, no network
//!                                   │ sections::aws (pure)           with --local: sections::here
//!                                Desired        the resources: one typed spec each, references between them
//!                                   │ aws::take ◄── the cloud: one batched read per kind
//!                                   │                                with --local: local::snapshot ◄── the supervisor
//!                                Snapshot       live: ours, wanted or not, and foreign
//!                                   │ Plan::new (pure, synchronous, deterministic)
//!                                 Plan  ── review (text, Markdown, JSON), plan::saved (approved elsewhere)
//!                                   │ engine::apply                  with --local: local::apply
//!                                Report
//! ```
//!
//! Invariants, chiefly what is *absent*:
//! - There is no state file. A resource is found again by its name, or for the few kinds that have none by the tags that
//!   it was created with. A tag proves that a resource is ours. A resource that is not ours is never changed, unless
//!   somebody has put it on a resource of ours, where it gives rights, routes or traffic.
//! - The plan cannot write: the code that makes it can only read. Only [`engine`] changes anything.
//! - There is no rollback. The resources that depend on a failed one are skipped, the others go on; running again is the
//!   recovery.
//! - No secret is in a spec, a state, an output, a tag or an error: only the version id of a secret is.
//! - Only [`wait`] sleeps, and only [`printer`] prints. Printed text has no character that a terminal obeys, except our own
//!   colours.
//!
//! `GUIDE.md` beside this crate describes the use (reviews, drift, adopting, environments, recovery, costs).
//!
//! The crate has one feature, `aws`, which is on by default. All code that talks to AWS belongs to it. Without it
//! `provision` knows the stack on this machine alone, and no SDK of AWS's is compiled. Then a file `without_aws.rs` stands in
//! the place of each part that is about AWS.

#![warn(clippy::disallowed_methods)]
#![cfg_attr(
    not(feature = "aws"),
    allow(
        dead_code,
        unused_imports,
        clippy::duplicate_mod,
        reason = "what both share, the laptop alone does not use whole; one file stands for the AWS part of every section"
    )
)]

pub mod cli;
pub mod commands;
pub mod image;
pub mod kind;
pub mod plan;
pub mod printer;
pub mod review;
pub mod scope;
pub mod sections;
pub mod wait;
pub mod yaml;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod doctor;
#[cfg(feature = "aws")]
pub mod engine;
#[cfg(feature = "aws")]
pub mod export;
#[cfg(feature = "aws")]
pub mod kinds;
mod local;
#[cfg(feature = "aws")]
pub mod policy;
