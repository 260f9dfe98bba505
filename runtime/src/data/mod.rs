//! Where data is: databases with their migrations, the cache, and how far a replica is behind.

pub mod cache;
pub mod database;
pub mod flight;
pub mod freshness;
pub mod schema;
