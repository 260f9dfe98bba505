//! What stands in for AWS on a laptop.

pub mod messaging;
