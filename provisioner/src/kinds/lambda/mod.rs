//! AWS Lambda.

mod function;
mod permission;

pub use function::{Function, FunctionOutput, FunctionSpec, Inside};
pub use permission::{Permission, PermissionSpec};
