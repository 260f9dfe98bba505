//! Application Auto Scaling.

mod policy;
mod target;

pub use policy::{Policy, PolicyOutput, PolicySpec};
pub use target::{Target, TargetOutput, TargetSpec};
