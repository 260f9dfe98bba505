//! `guard:`, what no environment of a stack may become.

mod check;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Loaded;
use super::check::whereabouts::no_region;

pub(super) use self::check::check;

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

impl Loaded {
    /// Why this stack may not be in a region that its file does not name, if it may not, and what was meant.
    pub fn against_region(&self, region: &str) -> Option<(String, Option<String>)> {
        let guarded = || self.stack.guard.as_ref()?.against_region(region);
        match no_region(region) {
            Some((what, hint)) => Some((what, Some(hint))),
            None => guarded().map(|what| (what, None)),
        }
    }
}

impl Guard {
    /// Why not in this region, if not.
    fn against_region(&self, region: &str) -> Option<String> {
        let allowed = self.regions.is_empty() || self.regions.iter().any(|allowed| allowed == region);
        (!allowed).then(|| format!("`guard.regions` does not allow {region}, only {}", self.regions.join(", ")))
    }
}
