//! A stack on this machine: the same file, real engines, no account. The crate `local` runs the parts. The `local.rs`
//! of each section says which parts a stack file becomes.
//!
//! There is no state file here either. The supervisor says which parts run. The state directory holds data, the
//! passwords that were generated, the ports that were chosen, and the parts that were last applied, for the words of a
//! plan.

pub(crate) mod dashboard;
pub(crate) mod home;
pub(crate) mod keys;
pub(crate) mod plan;
pub(crate) mod stacks;
pub(crate) mod tools;
pub(crate) mod watch;
