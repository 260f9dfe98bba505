//! Application Auto Scaling.

mod policy;
mod target;

pub use policy::{Policy, PolicyOutput, PolicySpec, PolicyState};
pub use target::{Target, TargetOutput, TargetSpec, TargetState};

/// What it says of things that are not there.
const GONE: &[&str] = &["ObjectNotFoundException"];

/// The API takes this many ids or names at once.
const AT_ONCE: usize = 50;
