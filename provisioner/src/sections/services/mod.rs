//! The values that a section has where its file says nothing. They are said once, for what is made of a section and for
//! what is checked about it.

use super::{Cache, CacheEngine, Database, Loaded, Logs, Nat, Network, Profile, Scale, Search, Service, Stack};

impl Profile {
    fn or<T>(self, dev: T, prod: T) -> T {
        match self {
            Profile::Dev => dev,
            Profile::Prod => prod,
        }
    }
}

impl Network {
    pub fn zones(&self, profile: Profile) -> u8 {
        self.zones.unwrap_or(profile.or(2, 3))
    }

    pub fn nat(&self, profile: Profile) -> Nat {
        self.nat.unwrap_or(profile.or(Nat::One, Nat::PerZone))
    }

    pub fn cidr(&self) -> &str {
        self.cidr.as_deref().unwrap_or("10.0.0.0")
    }
}

impl Database {
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or("8.4")
    }

    pub fn class(&self, profile: Profile) -> &str {
        self.class.as_deref().unwrap_or(profile.or("db.t4g.micro", "db.t4g.medium"))
    }

    pub fn storage(&self) -> u32 {
        self.storage.unwrap_or(20)
    }

    pub fn standby(&self, profile: Profile) -> bool {
        self.standby.unwrap_or(profile.or(false, true))
    }

    pub fn backup_days(&self, profile: Profile) -> u8 {
        self.backup_days.unwrap_or(profile.or(1, 7))
    }
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

impl Search {
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or("2.19")
    }

    pub fn class(&self, profile: Profile) -> &str {
        self.class.as_deref().unwrap_or(profile.or("t3.small.search", "m6g.large.search"))
    }

    pub fn nodes(&self, profile: Profile) -> u8 {
        self.nodes.unwrap_or(profile.or(1, 3))
    }

    pub fn storage(&self) -> u32 {
        self.storage.unwrap_or(10)
    }

    /// Whether the domain is inside the VPC, without an endpoint that the internet reaches.
    pub fn is_inside(profile: Profile) -> bool {
        profile.or(false, true)
    }
}

impl Service {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(8080)
    }

    pub fn cpu(&self) -> u32 {
        self.cpu.unwrap_or(256)
    }

    pub fn memory(&self) -> u32 {
        self.memory.unwrap_or(512)
    }
}

impl Scale {
    pub fn min(&self, profile: Profile) -> u32 {
        self.min.unwrap_or(profile.or(1, 2))
    }

    pub fn max(&self, profile: Profile) -> u32 {
        self.max.unwrap_or(self.min(profile))
    }

    pub fn cpu(&self) -> u32 {
        self.cpu.unwrap_or(50)
    }
}

impl Logs {
    /// Days that CloudWatch Logs keeps them, with or without a section `logs`.
    pub fn keep_days(logs: Option<&Logs>, profile: Profile) -> u32 {
        logs.and_then(|logs| logs.keep_days).unwrap_or(profile.or(7, 365))
    }
}

impl Stack {
    /// Whether there is a load balancer, which the internet reaches.
    pub fn has_load_balancer(&self) -> bool {
        self.services.values().any(|service| service.http.is_some())
    }
}

impl Loaded {
    /// Whether a section needs a VPC.
    pub fn needs_network(&self) -> bool {
        let Stack { services, databases, caches, search, .. } = &self.stack;
        let search_inside = Search::is_inside(self.profile) && !search.is_empty();
        !services.is_empty() || !databases.is_empty() || !caches.is_empty() || search_inside
    }
}
