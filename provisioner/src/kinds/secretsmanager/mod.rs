//! AWS Secrets Manager.

mod secret;

pub use secret::{Secret, SecretOutput, SecretSpec, SecretState, member};
