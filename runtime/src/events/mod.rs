//! Events between services: out of a transaction to a topic ([`outbox`], [`relay`], [`publish`]), and from a queue into a
//! transaction ([`consumer`], [`envelope`], [`inbox`]). Each arrives at least once.

pub mod attributes;
pub mod consumer;
pub mod envelope;
pub mod inbox;
pub mod outbox;
pub mod publish;
pub mod relay;
