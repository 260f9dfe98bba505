//! Roles that run as Lambda functions. [`lambda`] asks for the events, and a [`Function`] handles them. Behind an HTTP API that is
//! the routes of a role ([`http`]), on a queue the same handler as that of a consumer ([`queue`]).

pub mod http;
pub mod lambda;
pub mod queue;

use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;

/// What Lambda calls.
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
