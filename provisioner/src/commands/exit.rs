//! How a command ends.

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Difference = 2,
    Usage = 64,
    LeaseHeld = 75,
    Interrupted = 130,
}
