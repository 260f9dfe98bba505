//! The services that `provision` calls and that have no kinds.

use crate::kinds::SERVICES;
use crate::kinds::service::{Actions, Bound, On, Service, Writes};
use crate::scope::Scope;

/// The part of a service's record that the policy needs.
pub(super) struct Record {
    pub(super) prefix: &'static str,
    pub(super) reads: fn(&Scope) -> Vec<String>,
    pub(super) on_everything: &'static [&'static str],
    pub(super) writes: &'static [Writes],
}

pub(super) const OTHERS: &[Record] = &[
    Record { prefix: "acm", reads: |scope| vec![scope.arn("acm", "*")], on_everything: &[], writes: &[] },
    Record {
        prefix: "route53",
        reads: |_| Vec::new(),
        on_everything: &[],
        writes: &[Writes::new(
            Actions::These(&["route53:AssociateVPCWithHostedZone"]),
            &[On::NamedBy(|scope, _| format!("arn:{}:route53:::hostedzone/*", scope.partition()))],
            Bound::Nothing { because: "the private DNS of an interface endpoint is a hosted zone of AWS's own" },
        )],
    },
    Record {
        prefix: "servicequotas",
        reads: |_| Vec::new(),
        on_everything: &["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"],
        writes: &[],
    },
    Record {
        prefix: "sts",
        reads: |_| Vec::new(),
        on_everything: &["sts:DecodeAuthorizationMessage", "sts:GetCallerIdentity"],
        writes: &[],
    },
    Record { prefix: "tag", reads: |_| Vec::new(), on_everything: &["tag:GetResources"], writes: &[] },
];

/// The record of a service with kinds, by its name in IAM.
pub(super) fn of_prefix(service: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|record| record.prefix == service).copied()
}

pub(super) fn other(service: &str) -> &'static Record {
    let found = OTHERS.iter().find(|other| other.prefix == service);
    found.unwrap_or_else(|| panic!("`{service}` is neither in SERVICES nor in OTHERS"))
}
