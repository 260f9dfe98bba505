//! `guard:`, what no environment of a stack may become.

pub(crate) mod check;

use schemars::JsonSchema;
use serde::Deserialize;

/// What no environment may become. `check`, `plan` and `up` refuse it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The only regions. Default: any.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Instance classes and node types that nothing may have; `*` stands for any text, as in `*.16xlarge`.
    #[serde(default)]
    pub forbidden_classes: Vec<String>,
    /// What may be reached from the internet; `[]` is nothing. Default: both.
    pub public: Option<Vec<Public>>,
    /// Keys that `tags` must have, in every environment.
    #[serde(default)]
    pub required_tags: Vec<String>,
    /// Whatever is reached from the internet speaks HTTPS. Default: no.
    #[serde(default)]
    pub https: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Public {
    LoadBalancer,
    Search,
}
