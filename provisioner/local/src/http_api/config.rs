//! Which requests go to which function. It is a JSON file that may be replaced while the API runs.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::routes::Routes;
use super::throttle::Bucket;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    pub account: String,
    /// The function of each route, by the route's key: `GET /item/{id}`, `ANY /item/{proxy+}`, `$default`.
    pub routes: BTreeMap<String, String>,
    /// The functions, by the names that routes have for them.
    pub functions: BTreeMap<String, Target>,
    #[serde(default)]
    pub cors: Option<Cors>,
    /// The requests per second, and how many more may come at once.
    pub rate: u32,
    pub burst: u32,
}

/// Where a function's part listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name of the function, as on AWS.
    pub name: String,
    pub port: u16,
}

/// What pages of other sites may do. `*` is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    pub headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub credentials: bool,
    pub max_age_seconds: Option<u64>,
}

/// A configuration that was found to be right.
pub struct Api {
    pub config: Config,
    pub routes: Routes,
    pub bucket: Bucket,
}

impl Api {
    pub fn parse(bytes: &[u8]) -> Result<Api> {
        let config: Config = serde_json::from_slice(bytes)?;
        for (key, function) in &config.routes {
            ensure!(config.functions.contains_key(function), "`{key}` goes to `{function}`, which is not a function");
        }
        ensure!(config.rate > 0 && config.burst > 0, "no request may come");
        let routes = Routes::parse(config.routes.iter())?;
        let bucket = Bucket::new(config.rate, config.burst);
        Ok(Api { config, routes, bucket })
    }
}
