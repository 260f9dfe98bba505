//! Events between services. On the way out, an event goes from a transaction to a topic ([`outbox`], [`relay`],
//! [`publish`]). On the way in, it goes from a queue into a transaction ([`consumer`], [`envelope`], [`inbox`]). Each
//! event arrives at least once.

pub mod attributes;
pub mod consumer;
pub mod envelope;
pub mod inbox;
pub mod outbox;
pub mod publish;
pub mod relay;
