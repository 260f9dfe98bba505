//! `search:`, OpenSearch domains.
//!
//! [`check`]: nodes and zones. [`aws`]: a domain and its firewall group. [`local`]: the parts on this machine. [`engine`]: which
//! search engine this machine has.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod engine;
pub(crate) mod local;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::Profile;

/// An OpenSearch domain.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The version of OpenSearch. Default: `"2.19"`.
    #[schemars(regex(pattern = r"^[1-9]\.[0-9]{1,2}$"))]
    pub version: Option<String>,
    /// The instance type. Default: `t3.small.search` in dev, `m6g.large.search` in prod.
    #[schemars(regex(pattern = r"^[a-z0-9]+\.[a-z0-9]+\.search$"))]
    pub class: Option<String>,
    /// How many nodes there are. With two zones it is an even number, with three a multiple of three. Default: 1 in
    /// dev, 3 in prod.
    #[schemars(range(min = 1, max = 30))]
    pub nodes: Option<u8>,
    /// The storage of each node, in GiB. Default: 10.
    #[schemars(range(min = 10, max = 1000))]
    pub storage: Option<u32>,
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

/// The port of an OpenSearch domain.
pub(crate) const PORT: u16 = 443;

/// The firewall group of a search domain.
pub(crate) fn firewall(name: &str) -> String {
    format!("search-{name}")
}
