//! The part of an HTTP API of API Gateway that our stacks use, on this machine: routes to functions, payload format 2.0,
//! CORS, throttling, the limits, its own answers.
//!
//! These are missing or different: authorizers, custom domains, stages other than `$default`, other integrations. The
//! rate counts for the whole API. `domainName` is the host that the client named, with its port.

mod answer;
pub mod config;
mod cors;
mod event;
mod forward;
pub mod part;
mod routes;
pub mod serve;
mod throttle;
