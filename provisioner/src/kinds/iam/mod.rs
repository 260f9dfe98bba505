//! AWS IAM.

mod role;

pub use role::{Resource, Role, RoleOutput, RoleSpec, RoleState, Statement};
