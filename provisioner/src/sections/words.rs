//! Words of a stack file that several sections use: a name, a duration, the profile of an environment.

use schemars::JsonSchema;
use serde::Deserialize;

/// A name: lower-case letters, digits and single dashes, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Name(#[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))] pub String);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The beginning of the variables of a thing, or the variable itself: `ADMIN_KEY` for `admin-key`.
pub(crate) fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// A duration with its unit: `30s`, `5m`, `12h`, `4d`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Span(#[schemars(regex(pattern = r"^[0-9]{1,7}(s|m|h|d)$"))] pub String);

impl Span {
    pub fn seconds(&self) -> u64 {
        let (number, unit) = self.0.split_at(self.0.len().saturating_sub(1));
        let factor = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 1,
        };
        number.parse::<u64>().unwrap_or(0) * factor
    }
}

/// `dev` has two zones, one NAT gateway, small classes, no protection against deletion, seven days of logs, and search
/// with a public endpoint and IAM-only access. `prod` has three zones, a NAT gateway per zone, a standby database,
/// protection against deletion, a year of logs, and search inside the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    Dev,
    Prod,
}

impl Profile {
    /// One value or the other, by the profile.
    pub(crate) fn or<T>(self, dev: T, prod: T) -> T {
        match self {
            Profile::Dev => dev,
            Profile::Prod => prod,
        }
    }
}
