//! `network:`, the VPC.
//!
//! [`check`]: its certificate and its addresses. [`aws`]: the VPC, its subnets and its ways out. A stack on this machine has no
//! network of its own.

#[cfg_attr(not(feature = "aws"), path = "../without_aws.rs")]
pub(crate) mod aws;
pub(crate) mod check;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Loaded;
use super::search::Search;
use super::uses::used;
use super::words::Profile;

/// The VPC. It is made if a section needs one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How many availability zones the VPC has. Default: 2 in dev, 3 in prod. Chosen once.
    #[schemars(range(min = 2, max = 3))]
    pub zones: Option<u8>,
    /// NAT gateways, through which services call the outside. Default: `one` in dev, `per-zone` in prod; `none` in a
    /// stack without services. With services it cannot be `none`.
    pub nat: Option<Nat>,
    /// The first address of the VPC's /16 block. Default: `10.0.0.0`. Chosen once.
    #[schemars(regex(pattern = r"^(10\.[0-9]{1,3}|172\.(1[6-9]|2[0-9]|3[01])|192\.168)\.0\.0$"))]
    pub cidr: Option<String>,
    /// The ARN of an ACM certificate, in the region and account of the stack. With it the load balancer answers on 443
    /// and redirects 80. Without it, it answers on 80 only.
    #[schemars(regex(pattern = r"^arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$"))]
    pub certificate: Option<String>,
    /// The name in the certificate under which the load balancer is reached. You point it at the load balancer. It is
    /// needed where something `uses:` a service.
    #[schemars(regex(pattern = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"))]
    pub domain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    One,
    PerZone,
    None,
}

impl Network {
    pub fn zones(&self, profile: Profile) -> u8 {
        self.zones.unwrap_or(profile.or(2, 3))
    }

    pub fn nat(&self, profile: Profile) -> Nat {
        self.nat.unwrap_or(profile.or(Nat::One, Nat::PerZone))
    }

    /// Whether the load balancer has an address that a certificate, if there is one, is for.
    pub fn has_own_address(&self) -> bool {
        self.certificate.is_none() || self.domain.is_some()
    }

    /// The address that the certificate is for, with its scheme.
    pub fn secure_address(&self) -> Option<String> {
        self.certificate.as_ref().and(self.domain.as_ref()).map(|domain| format!("https://{domain}"))
    }

    pub fn cidr(&self) -> &str {
        self.cidr.as_deref().unwrap_or("10.0.0.0")
    }
}

impl Loaded {
    /// The NAT gateways. Only callers of the outside need one: services, and functions inside the VPC, the log forwarder
    /// among them, for which the file has to ask.
    pub(crate) fn nat(&self) -> Nat {
        let network = &self.stack.network;
        let forwarder = self.stack.shipping().is_some() && Search::is_inside(self.profile);
        let inside = || forwarder || self.stack.functions.values().any(|function| self.is_inside(function));
        match network.nat {
            _ if !self.stack.services.is_empty() => network.nat(self.profile),
            Some(nat) if inside() => nat,
            _ => Nat::None,
        }
    }

    /// The services of AWS that have an interface endpoint: those that functions inside the VPC call, if there is no NAT
    /// gateway.
    pub(crate) fn endpoints(&self) -> Vec<&'static str> {
        if self.nat() != Nat::None {
            return Vec::new();
        }
        let stack = &self.stack;
        let mut all = BTreeSet::new();
        for function in stack.functions.values().filter(|function| self.is_inside(function)) {
            let used = used(stack, function.user());
            // A database and a cache are inside the VPC, and their passwords are not.
            let has_secrets = !(used.databases.is_empty() && used.caches.is_empty() && used.secrets.is_empty());
            all.extend(has_secrets.then_some("secretsmanager"));
            all.extend((!used.topics.is_empty()).then_some("sns"));
            all.extend((!used.queues.is_empty()).then_some("sqs"));
        }
        all.into_iter().collect()
    }
}

/// The firewall group of the interface endpoints.
pub(crate) const ENDPOINTS: &str = "endpoints";
