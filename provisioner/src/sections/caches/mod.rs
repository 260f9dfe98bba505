//! `caches:`, servers of Valkey or Redis.
//!
//! [`aws`]: a replication group on ElastiCache, its token, its firewall group. [`local`]: a server on this machine.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod local;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::Profile;

/// A cache on ElastiCache.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The engine, `valkey` or `redis`. Default: `valkey`.
    pub engine: Option<CacheEngine>,
    /// The node type. Default: `cache.t4g.micro` in dev, `cache.t4g.small` in prod.
    #[schemars(regex(pattern = r"^cache\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub class: Option<String>,
    /// How many nodes there are: one primary, and the others are replicas. Default: 1 in dev, 2 in prod.
    #[schemars(range(min = 1, max = 6))]
    pub nodes: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheEngine {
    Valkey,
    Redis,
}

impl Cache {
    pub fn engine(&self) -> CacheEngine {
        self.engine.unwrap_or(CacheEngine::Valkey)
    }

    pub fn class(&self, profile: Profile) -> &str {
        self.class.as_deref().unwrap_or(profile.or("cache.t4g.micro", "cache.t4g.small"))
    }

    pub fn nodes(&self, profile: Profile) -> u8 {
        self.nodes.unwrap_or(profile.or(1, 2))
    }
}

/// The port of Valkey and Redis.
pub(crate) const PORT: u16 = 6379;

/// The secret with the token of a cache.
pub(crate) fn token(name: &str) -> String {
    format!("{name}-token")
}

/// The firewall group of a cache.
pub(crate) fn firewall(name: &str) -> String {
    format!("cache-{name}")
}
