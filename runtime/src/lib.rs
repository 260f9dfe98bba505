//! The service code that runs on a stack made by `provision`: one static binary, many roles, the same in a container
//! image (`/runtime serve hello`) and as a Lambda function (`bootstrap`).
//!
//! What holds in every role:
//!
//! - Configuration comes from the environment, is read once, in [`config`], and every mistake is reported at once.
//! - Standard output carries JSON lines and nothing else ([`telemetry`]); no value of a secret is ever in one.
//! - No input ends the process. SIGTERM does, after the requests in flight are answered ([`server`]).
//! - Nothing is read from the file system but what the C library needs to resolve a name: the roots of TLS are linked in.

pub mod config;
pub mod metrics;
pub mod telemetry;
pub mod trace;

pub mod answer;
pub mod background;
pub mod edge;
pub mod hello;
pub mod ready;
pub mod server;
mod signed;

pub mod aws;
pub mod cache;
pub mod database;
pub mod schema;

pub mod freshness;
pub mod lookup;
pub mod notification;
pub mod reservation;

pub mod health;
pub mod probe;

pub mod client;
pub mod forwarder;
pub mod lambda;
