//! AWS KMS.

mod key;

pub use key::{Key, KeyOutput, KeySpec, KeyState, key_arn};
