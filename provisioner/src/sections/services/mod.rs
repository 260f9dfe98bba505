//! `services:`, the services on ECS Fargate behind one load balancer.
//!
//! - [`health`]: the health check; [`routes`]: which requests a service gets; [`roles`]: the roles of the bundled runtime;
//!   [`fargate`]: sizes of tasks.
//! - [`check`]: finds the mistakes in services; [`notes`]: tells text that is allowed and seldom meant.
//! - [`aws`]: the ECS services, and the further rights that `provision probe` needs.
//! - [`local`]: processes of the runtime on this machine.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;
mod fargate;
pub(crate) mod health;
pub(crate) mod local;
pub mod notes;
pub mod roles;
pub(crate) mod routes;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use self::health::{Check, HEALTHY_AFTER, Health, UNHEALTHY_AFTER};
use super::words::{Name, Profile, Span};

/// A service on ECS Fargate: a role of the bundled runtime, or a container of your own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The role of the bundled runtime that the service runs.
    pub role: Option<String>,
    /// Your own image, in place of a role. Give its digest or tag.
    #[schemars(regex(pattern = r"^[^ \t\r\n]+$"))]
    pub image: Option<String>,
    /// The user that a container of your own runs as, by number: `"1000"` or `"1000:1000"`. Never root. Default:
    /// `"65532:65532"`, whatever the image says.
    #[schemars(regex(pattern = r"^[0-9]{1,10}(:[0-9]{1,10})?$"))]
    pub user: Option<String>,
    /// The port that the service listens on. Default: 8080.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: Option<u16>,
    /// CPU units: 256 is a quarter of a vCPU, 32768 (32 vCPU) is the most. Default: 256.
    #[schemars(range(max = 32768))]
    pub cpu: Option<u32>,
    /// The memory in MiB. It must be a size that Fargate has for the CPU units. Default: 512.
    #[schemars(range(max = 249856))]
    pub memory: Option<u32>,
    /// The databases, caches, topics, queues and search domains that the service uses. For each it gets the environment
    /// variables, the firewall rule and the IAM permission together.
    #[serde(default)]
    pub uses: Vec<Name>,
    /// The databases whose schema the service owns. It also gets the master's user and password, to migrate. A database
    /// has one owner.
    #[serde(default)]
    pub owns: Vec<Name>,
    /// The requests that the load balancer sends to the service. Without this it gets none.
    pub http: Option<Http>,
    /// How many tasks the service has.
    #[serde(default)]
    pub scale: Scale,
    /// Further environment variables. Do not put secrets here: everybody who may see the task definition can read them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Path patterns such as `/reservations*`. They have letters, digits and `_-.$/~"'@:+&`; `*` stands for any text,
    /// `?` for one character. Paths and methods together are at most five. Default: all paths that no other service
    /// takes.
    #[serde(default)]
    pub paths: Vec<String>,
    /// HTTP methods. Default: all. `GET` brings `HEAD` with it.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The path at which the service says that it is healthy, such as `/healthz`, which is the default. Or
    /// `{path, codes, interval, grace}`.
    pub health: Option<Health>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The least number of tasks. Default: 1 in dev, 2 in prod.
    #[schemars(range(min = 1, max = 100))]
    pub min: Option<u32>,
    /// The largest number of tasks. Default: the minimum.
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<u32>,
    /// The average CPU, in per cent, that scaling aims at. Default: 50.
    #[schemars(range(min = 10, max = 90))]
    pub cpu: Option<u32>,
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

    /// The seconds in which a task that fails its health check is not stopped.
    pub fn grace(&self) -> u64 {
        let default = if self.image.is_some() { GRACE_OF_IMAGE } else { GRACE_OF_RUNTIME };
        self.http.as_ref().and_then(Http::given_grace).unwrap_or(default)
    }
}

impl Http {
    pub fn health(&self) -> String {
        match &self.health {
            Some(Health::Path(path) | Health::Check(Check { path: Some(path), .. })) => path.0.clone(),
            _ => "/healthz".to_owned(),
        }
    }

    /// The status codes of a healthy answer, as AWS writes them: `200`, `200,204` or `200-299`.
    pub fn health_codes(&self) -> String {
        self.check().and_then(|check| check.codes.as_ref()).map_or_else(|| "200".to_owned(), ToString::to_string)
    }

    /// The seconds between two checks.
    pub fn health_interval(&self) -> u64 {
        self.given_health_interval().unwrap_or(INTERVAL)
    }

    /// The seconds between two checks, or `None` if the file does not say it.
    pub fn given_health_interval(&self) -> Option<u64> {
        self.check()?.interval.as_ref().map(Span::seconds)
    }

    /// The seconds that one check may take. They are fewer than those between two checks (Elastic Load Balancing API
    /// reference, CreateTargetGroup).
    pub fn health_timeout(&self) -> u64 {
        TIMEOUT.min(self.health_interval().saturating_sub(1)).max(1)
    }

    /// The seconds until the health check has decided about a task.
    pub fn health_takes(&self) -> u64 {
        self.health_interval() * u64::from(UNHEALTHY_AFTER.max(HEALTHY_AFTER))
    }

    /// The seconds that a task may take until it is healthy, if the file says it.
    pub fn given_grace(&self) -> Option<u64> {
        self.check()?.grace.as_ref().map(Span::seconds)
    }

    fn check(&self) -> Option<&Check> {
        match &self.health {
            Some(Health::Check(check)) => Some(check),
            _ => None,
        }
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

const INTERVAL: u64 = 10;
const TIMEOUT: u64 = 5;
/// The default of `grace` for the bundled runtime, in seconds. It answers within seconds of its start.
const GRACE_OF_RUNTIME: u64 = 60;
/// The default of `grace` for an image, in seconds. An unknown program may take its time: a Spring service on a quarter
/// of a vCPU needs two minutes.
const GRACE_OF_IMAGE: u64 = 180;

/// The name of the load balancer, on AWS and on a laptop.
pub(crate) const WEB: &str = "web";
