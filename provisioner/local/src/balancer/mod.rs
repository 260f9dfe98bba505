//! What an Application Load Balancer does, on this machine, as far as our stacks use it: rules by path and method, health
//! checks, its own answers, its headers. Not in it: hosts' certificates, WebSocket upgrades, sticky sessions, weights.

pub mod answer;
pub mod config;
mod forward;
mod health;
mod idle;
pub mod part;
pub mod serve;
