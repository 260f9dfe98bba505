//! `databases:`, servers of MySQL with an optional read replica.
//!
//! [`check`]: names that MySQL keeps for itself. [`aws`]: instances on RDS, their secrets, their firewall group.
//! [`local`]: servers on this machine. [`pairs`]: which of two local servers is the primary.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
pub(crate) mod local;
pub(crate) mod pairs;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::Profile;

/// A MySQL database on RDS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The major version of MySQL. Default: `"8.4"`. The minor version is chosen once, then kept.
    #[schemars(regex(pattern = r"^8\.(0|4)$"))]
    pub version: Option<String>,
    /// The instance class. Default: `db.t4g.micro` in dev, `db.t4g.medium` in prod.
    #[schemars(regex(pattern = r"^db\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub class: Option<String>,
    /// The storage at creation, in GiB. Default: 20. AWS lets it grow by itself up to four times that.
    #[schemars(range(min = 20, max = 16384))]
    pub storage: Option<u32>,
    /// Whether there is a read replica. Default: no.
    #[serde(default)]
    pub replica: bool,
    /// Whether there is a standby in another zone. Default: only in prod.
    pub standby: Option<bool>,
    /// For how many days AWS keeps automatic backups. Default: 1 in dev, 7 in prod.
    #[schemars(range(min = 1, max = 35))]
    pub backup_days: Option<u8>,
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

/// About how many connections an instance class takes: RDS lets one in for each 12,582,880 bytes of memory (RDS user
/// guide, `max_connections`). `None` for a class whose memory is not known here.
pub(crate) fn connections(class: &str) -> Option<u64> {
    let mut words = class.split('.').skip(1);
    let (family, size) = (words.next()?, words.next()?);
    let gib_of_large = match family.chars().next()? {
        't' | 'm' => 8,
        'r' => 16,
        'x' => 32,
        _ => return None,
    };
    let gib = match size {
        "micro" => 1,
        "small" => 2,
        "medium" => 4,
        "large" => gib_of_large,
        "xlarge" => 2 * gib_of_large,
        times => 2 * gib_of_large * times.strip_suffix("xlarge")?.parse::<u64>().ok()?,
    };
    Some(gib * 1_073_741_824 / 12_582_880)
}

/// The schema of a database. MySQL's names of schemas have no dash.
pub(crate) fn schema(name: &str) -> String {
    name.replace('-', "_")
}

/// The name of a database's replica, and of its address.
pub(crate) fn replica(name: &str) -> String {
    format!("{name}-replica")
}

/// The port of MySQL.
pub(crate) const PORT: u16 = 3306;

/// The secret of the user who owns the schema.
pub(crate) fn master(name: &str) -> String {
    format!("{name}-master")
}

/// The secret of the user that services log in as.
pub(crate) fn app(name: &str) -> String {
    format!("{name}-app")
}

/// The firewall group of a database.
pub(crate) fn firewall(name: &str) -> String {
    format!("database-{name}")
}
