//! HTTP: the server with the layers that every request passes, the answers that roles have in common, and a client.

pub mod answer;
pub mod api_key;
pub mod client;
pub mod connection;
pub mod edge;
pub mod health;
pub mod idempotency;
pub mod in_flight;
pub mod reach;
pub mod ready;
pub mod server;
pub mod token;
