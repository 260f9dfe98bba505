//! The part of an Application Load Balancer that our stacks use, on this machine: rules by path and method, health
//! checks, its own answers, its headers. These are missing: hosts' certificates, WebSocket upgrades, sticky sessions,
//! weights.

pub mod answer;
pub mod config;
mod forward;
mod health;
mod idle;
pub mod part;
pub mod serve;
