//! What the user wrote: the sections of a stack file. Each type is also its own JSON Schema, so `check` and `schema` say
//! the same. Doc comments here are what an editor shows.

mod check;
mod defaults;
mod guard;
pub(crate) mod health;
#[cfg(feature = "aws")]
pub(crate) mod lines;
mod load;
mod mend;
mod notes;
mod routes;
pub(crate) mod shipping;
mod uses;
mod wildcard;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use check::patterns::only_on_aws;
pub use guard::{Guard, Public};
pub use health::Health;
pub(crate) use load::similar;
pub use load::{Loaded, environments, load, load_all, schema};
pub use notes::notes;
pub(crate) use routes::priorities;
pub(crate) use uses::{Given, Used, Value, given, schema as database_schema, used};

/// A stack: a small event-driven backend on AWS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "provision stack")]
pub struct Stack {
    /// The name of the stack: every name that AWS shows starts with `<stack>-<env>-`.
    pub stack: Name,
    /// The AWS region, of any partition. `--region` and the AWS profile are used when it is not set here.
    #[schemars(regex(pattern = r"^[a-z]+(-[a-z]+)+-[0-9]+$"))]
    pub region: Option<String>,
    /// The only account that this stack may be deployed to, as 12 digits in quotes.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// The IAM policy that bounds every role of the stack, by its name in the account or its whole ARN. `none` takes a
    /// boundary away; by default each role keeps the one that it has, if any. `provision policy` prints one that fits.
    #[schemars(regex(
        pattern = r"^(arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/)?([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,128}$"
    ))]
    pub permissions_boundary: Option<String>,
    /// Tags for every resource that takes any, as for cost allocation. One that is taken out of the file is taken off. Tags that
    /// others put on a resource are left alone.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What no environment may become.
    pub guard: Option<Guard>,
    /// The environments, chosen by `--env`. Each may repeat any section to change it.
    #[serde(default)]
    pub environments: BTreeMap<Name, Environment>,
    #[serde(default)]
    pub network: Network,
    /// MySQL databases, each with an optional read replica. A name is also that of the schema, with `_` for `-`, so it is none of
    /// MySQL's reserved words.
    #[serde(default)]
    pub databases: BTreeMap<Name, Database>,
    /// Valkey or Redis caches.
    #[serde(default)]
    pub caches: BTreeMap<Name, Cache>,
    /// SNS topics.
    #[serde(default)]
    pub topics: BTreeMap<Name, Topic>,
    /// SQS queues, each with a dead-letter queue.
    #[serde(default)]
    pub queues: BTreeMap<Name, Queue>,
    /// OpenSearch domains.
    #[serde(default)]
    pub search: BTreeMap<Name, Search>,
    /// Services on ECS Fargate.
    #[serde(default)]
    pub services: BTreeMap<Name, Service>,
    /// Which logs go to which search domain.
    pub logs: Option<Logs>,
    /// Who is told when something is wrong.
    pub alerts: Option<Alerts>,
}

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

/// What is different in one environment. Sections that are repeated here are laid over those of the stack.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The set of defaults. Default: `prod` for an environment of that name, else `dev`.
    pub profile: Option<Profile>,
    pub region: Option<serde_json::Value>,
    pub account: Option<serde_json::Value>,
    pub permissions_boundary: Option<serde_json::Value>,
    pub tags: Option<serde_json::Value>,
    pub network: Option<serde_json::Value>,
    pub databases: Option<serde_json::Value>,
    pub caches: Option<serde_json::Value>,
    pub topics: Option<serde_json::Value>,
    pub queues: Option<serde_json::Value>,
    pub search: Option<serde_json::Value>,
    pub services: Option<serde_json::Value>,
    pub logs: Option<serde_json::Value>,
    pub alerts: Option<serde_json::Value>,
}

/// `dev`: two zones, one NAT gateway, small classes, no protection against deletion, seven days of logs, search with a public
/// endpoint and IAM-only access. `prod`: three zones, a NAT gateway per zone, a standby database, protection against deletion,
/// a year of logs, search inside the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    Dev,
    Prod,
}

/// The VPC. Made when a section needs one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How many availability zones. Default: 2 in dev, 3 in prod. Chosen once.
    #[schemars(range(min = 2, max = 3))]
    pub zones: Option<u8>,
    /// NAT gateways, for what services call outside. Default: `one` in dev, `per-zone` in prod. `none` only without services.
    pub nat: Option<Nat>,
    /// The first address of the VPC's /16 block. Default: `10.0.0.0`. Chosen once.
    #[schemars(regex(pattern = r"^(10\.[0-9]{1,3}|172\.(1[6-9]|2[0-9]|3[01])|192\.168)\.0\.0$"))]
    pub cidr: Option<String>,
    /// The ARN of an ACM certificate, in the region and account of the stack. With it the load balancer answers on 443 and redirects 80; without it, on 80 only.
    #[schemars(regex(pattern = r"^arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$"))]
    pub certificate: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    One,
    PerZone,
    None,
}

/// A MySQL database on RDS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The major version. Default: `"8.4"`. The minor version is chosen once, then kept.
    #[schemars(regex(pattern = r"^8\.(0|4)$"))]
    pub version: Option<String>,
    /// The instance class. Default: `db.t4g.micro` in dev, `db.t4g.medium` in prod.
    #[schemars(regex(pattern = r"^db\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub class: Option<String>,
    /// GiB at creation. Default: 20. AWS lets it grow by itself up to four times that.
    #[schemars(range(min = 20, max = 16384))]
    pub storage: Option<u32>,
    /// A read replica. Default: no.
    #[serde(default)]
    pub replica: bool,
    /// A standby in another zone. Default: only in prod.
    pub standby: Option<bool>,
    /// Days of automatic backups. Default: 1 in dev, 7 in prod.
    #[schemars(range(min = 1, max = 35))]
    pub backup_days: Option<u8>,
}

/// A cache on ElastiCache.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Default: `valkey`.
    pub engine: Option<CacheEngine>,
    /// The node type. Default: `cache.t4g.micro` in dev, `cache.t4g.small` in prod.
    #[schemars(regex(pattern = r"^cache\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub class: Option<String>,
    /// How many nodes: one primary, the rest replicas. Default: 1 in dev, 2 in prod.
    #[schemars(range(min = 1, max = 6))]
    pub nodes: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheEngine {
    Valkey,
    Redis,
}

/// An SNS topic, encrypted under the stack's key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Ordered, without duplicates. Default: no. Chosen once: changing it makes another topic.
    #[serde(default)]
    pub fifo: bool,
}

/// An SQS queue with a dead-letter queue beside it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The topics that feed it.
    #[serde(default)]
    pub from: Vec<Name>,
    /// Messages arrive as they were published, without SNS's envelope. Default: no.
    #[serde(default)]
    pub raw: bool,
    /// How long a received message is hidden from others. Default: `30s`, at most `12h`.
    pub visibility_timeout: Option<Span>,
    /// How long a message is kept. Default: `4d`, from `60s` to `14d`.
    pub retention: Option<Span>,
    /// How long a new message is hidden. Default: `0s`, at most `15m`.
    pub delay: Option<Span>,
    /// After so many receives a message goes to the dead-letter queue. Default: 5.
    #[schemars(range(min = 1, max = 1000))]
    pub max_receives: Option<u32>,
    /// Ordered, without duplicates. Default: no. Changing it makes another queue.
    #[serde(default)]
    pub fifo: bool,
}

/// In seconds, with the defaults.
impl Queue {
    pub fn visibility_seconds(&self) -> u64 {
        self.visibility_timeout.as_ref().map_or(30, Span::seconds)
    }

    pub fn retention_seconds(&self) -> u64 {
        self.retention.as_ref().map_or(345_600, Span::seconds)
    }

    pub fn delay_seconds(&self) -> u64 {
        self.delay.as_ref().map_or(0, Span::seconds)
    }

    pub fn receives(&self) -> u32 {
        self.max_receives.unwrap_or(5)
    }
}

/// The queue of what the receivers of this one failed at.
pub(crate) fn dead_letter_name(queue: &str) -> String {
    format!("{queue}-dead-letter")
}

/// What goes where its receivers failed is kept as long as SQS can: somebody has to see it.
pub const DEAD_LETTER_RETENTION: u64 = 1_209_600;

/// An OpenSearch domain.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The version. Default: `"2.19"`.
    #[schemars(regex(pattern = r"^[1-9]\.[0-9]{1,2}$"))]
    pub version: Option<String>,
    /// The instance type. Default: `t3.small.search` in dev, `m6g.large.search` in prod.
    #[schemars(regex(pattern = r"^[a-z0-9]+\.[a-z0-9]+\.search$"))]
    pub class: Option<String>,
    /// How many nodes; with two zones an even number, with three a multiple of three. Default: 1 in dev, 3 in prod.
    #[schemars(range(min = 1, max = 30))]
    pub nodes: Option<u8>,
    /// GiB per node. Default: 10.
    #[schemars(range(min = 10, max = 1000))]
    pub storage: Option<u32>,
}

/// A service on ECS Fargate: a role of the bundled runtime, or a container of your own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The role of the bundled runtime that it runs.
    pub role: Option<String>,
    /// Your own image instead, with its digest or tag.
    #[schemars(regex(pattern = r"^[^ \t\r\n]+$"))]
    pub image: Option<String>,
    /// The user that a container of your own runs as, by number: `"1000"` or `"1000:1000"`. Never root. Default:
    /// `"65532:65532"`, whatever the image says.
    #[schemars(regex(pattern = r"^[0-9]{1,10}(:[0-9]{1,10})?$"))]
    pub user: Option<String>,
    /// The port that it listens on. Default: 8080.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: Option<u16>,
    /// CPU units: 256 is a quarter of a vCPU, 32768 (32 vCPU) is the most. Default: 256.
    #[schemars(range(max = 32768))]
    pub cpu: Option<u32>,
    /// MiB, as many as Fargate has with the CPU units. Default: 512.
    #[schemars(range(max = 249856))]
    pub memory: Option<u32>,
    /// Databases, caches, topics, queues and search domains that it uses: gives the environment variables, the firewall rule and the
    /// IAM permission together.
    #[serde(default)]
    pub uses: Vec<Name>,
    /// Databases whose schema it owns: it also gets the master's user and password, to migrate. A database has one owner.
    #[serde(default)]
    pub owns: Vec<Name>,
    /// Which requests the load balancer sends to it. Without this it gets none.
    pub http: Option<Http>,
    /// How many tasks.
    #[serde(default)]
    pub scale: Scale,
    /// Further environment variables. Not for secrets: they are shown to everybody who may see the task definition.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Path patterns, as in `/reservations*`: letters, digits and `_-.$/~"'@:+&`; `*` stands for any text, `?` for one character.
    /// With the methods at most five. Default: everything that no other service takes.
    #[serde(default)]
    pub paths: Vec<String>,
    /// HTTP methods. Default: all. `GET` brings `HEAD`.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Where it says that it is well, as in `/healthz`, which is the default; or `{path, codes, interval, grace}`.
    pub health: Option<Health>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Default: 1 in dev, 2 in prod.
    #[schemars(range(min = 1, max = 100))]
    pub min: Option<u32>,
    /// Default: the minimum.
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<u32>,
    /// The average CPU, in per cent, that scaling aims at. Default: 50.
    #[schemars(range(min = 10, max = 90))]
    pub cpu: Option<u32>,
}

/// Log shipping from CloudWatch Logs to OpenSearch.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The services whose logs are shipped, each with the events that are: a CloudWatch Logs filter pattern, `""` for all.
    pub ship: BTreeMap<Name, String>,
    /// The names of their indexes, before `-` and the day, where that is not the name of the service.
    #[serde(default)]
    pub indexes: BTreeMap<Name, String>,
    /// The search domain.
    pub to: Name,
    /// Days that CloudWatch Logs keeps them. Default: 7 in dev, 365 in prod.
    #[schemars(range(max = 3653))]
    pub keep_days: Option<u32>,
}

impl Logs {
    /// The indexes of a service's logs: this, `-` and the day.
    pub fn index_of<'a>(&'a self, service: &'a Name) -> &'a str {
        self.indexes.get(service).unwrap_or(&service.0)
    }
}

/// E-mail addresses that get alarms. AWS asks each one to confirm.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    #[serde(default)]
    pub email: Vec<String>,
}
