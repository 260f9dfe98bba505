//! `guard:`, the limits for every environment of a stack.

pub(crate) mod check;

use schemars::JsonSchema;
use serde::Deserialize;

/// Limits that no environment may cross. `check`, `plan` and `up` refuse a stack that does.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The only regions that an environment may be in. Default: any.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Instance classes and node types that no database, cache or search domain may have. `*` stands for any text, as
    /// in `*.16xlarge`.
    #[serde(default)]
    pub forbidden_classes: Vec<String>,
    /// The things that the internet may reach. `[]` means none. Default: both.
    pub public: Option<Vec<Public>>,
    /// Keys that `tags` must have in every environment.
    #[serde(default)]
    pub required_tags: Vec<String>,
    /// Whether everything that the internet reaches must speak HTTPS. Default: no.
    #[serde(default)]
    pub https: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Public {
    LoadBalancer,
    Search,
}
