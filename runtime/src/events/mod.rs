//! Events between services. On the way out, an event goes from a transaction to a topic ([`outbox`], [`relay`] or, in a
//! function, [`sweep`], [`publish`]). On the way in, it goes from a queue into a transaction ([`consumer`], [`envelope`], [`inbox`]). Each
//! event arrives at least once. An event of a [`probe`] changes nothing.

pub mod attributes;
pub mod consumer;
pub mod envelope;
pub mod inbox;
pub mod outbox;
pub mod probe;
pub mod publish;
pub mod relay;
pub mod sweep;
