//! AWS KMS.

mod key;

pub use key::{Key, KeyOutput, KeySpec, key_arn};
