//! The engines of a stack: how each is found, configured, started and seen to be ready.

pub mod find;
pub mod light;
pub mod mariadb;
mod mysql;
pub mod ports;
pub mod redis;
pub mod replica;
pub mod template;
