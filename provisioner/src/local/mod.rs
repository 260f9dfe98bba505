//! A stack on this machine: the same file, real engines, no account. The crate `local` runs the parts. The `local.rs`
//! of each section says what a stack file becomes here, in the kinds of [`kinds`].
//!
//! The plan is made as on AWS. [`snapshot`] takes what there is, and [`apply`] carries the plan out.
//!
//! There is no state file here either. The supervisor says which parts run, and how. The state directory holds data, the
//! passwords that were generated, and the ports that were chosen.

pub(crate) mod apply;
pub(crate) mod dashboard;
pub(crate) mod home;
pub(crate) mod keys;
pub(crate) mod kinds;
pub(crate) mod snapshot;
pub(crate) mod stacks;
pub(crate) mod tools;
pub(crate) mod watch;
