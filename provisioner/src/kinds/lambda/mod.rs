//! AWS Lambda.

mod beside;
mod function;
mod leaving;
mod permission;

pub use function::{Function, FunctionOutput, FunctionSpec, FunctionState, Inside};
pub use permission::{Permission, PermissionOutput, PermissionSpec, PermissionState};
