//! Amazon SQS.

mod queue;

pub use queue::{DeadLetter, Queue, QueueOutput, QueueSpec, QueueState, queue_name};
