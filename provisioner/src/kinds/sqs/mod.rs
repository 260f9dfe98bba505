//! Amazon SQS.

mod queue;

pub use queue::{DeadLetter, Queue, QueueOutput, QueueSpec, queue_name};
