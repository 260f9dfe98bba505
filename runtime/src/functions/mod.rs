//! Roles that run as Lambda functions. [`lambda`] asks for the events, and a [`Function`] handles them. Behind an HTTP
//! API the routes of a role are the handler ([`http`]). On a queue or a topic the handler gets one message at a time
//! ([`queue`], [`topic`]), on a table the changes of a batch ([`table`]), and on a schedule nothing ([`schedule`]). A function with requests and messages is
//! [`either`]. [`outbox`] publishes what functions have committed. [`migrate`] belongs to no role.

mod either;
pub mod http;
pub mod lambda;
mod messages;
pub mod migrate;
pub mod outbox;
pub mod queue;
pub mod schedule;
pub mod table;
pub mod topic;

use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;

pub use self::either::either;
pub use self::messages::{HandleMessage, Messages};

/// A function for Lambda to call.
pub struct Function {
    /// The `errorType` of the answer to an event that was not handled.
    pub error_type: &'static str,
    pub handle: Handle,
}

/// Gives the answer to an event, as JSON.
pub type Handle = Box<dyn Fn(Invocation) -> BoxFuture<'static, anyhow::Result<Vec<u8>>> + Send + Sync>;

/// An event, with the time that is left to handle it.
pub struct Invocation {
    pub request_id: String,
    pub event: Bytes,
    pub left: Duration,
}
