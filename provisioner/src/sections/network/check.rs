//! Checks `network:`.

use super::Nat;
use crate::sections::say::Say;
use crate::sections::whereabouts::{no_region, other_partition};
use crate::sections::{Loaded, Stack};

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    certificate(stack, say);
    if stack.network.domain.is_some() && stack.network.certificate.is_none() && say.sound("/network/certificate") {
        let what = "`domain` is a name in a certificate, and there is none".to_owned();
        say.problem("/network/domain".into(), what, Some("give `certificate`, or leave `domain` out".into()));
    }
    cidr(stack, say);
    if stack.network.nat == Some(Nat::None) && !stack.services.is_empty() {
        say.problem(
            "/network/nat".into(),
            "services without a NAT gateway cannot fetch their image or their secrets".into(),
            Some("`one` or `per-zone`".into()),
        );
    }
}

/// Checks the certificate. A load balancer takes only certificates of its own region and account (ELB user guide,
/// "Certificates for your listener").
fn certificate(stack: &Stack, say: &mut Say<'_>) {
    let Some(arn) = stack.network.certificate.as_deref() else { return };
    let place = || "/network/certificate".to_owned();
    let parts: Vec<&str> = arn.split(':').collect();
    let (there, owner) = (parts.get(3).copied().unwrap_or_default(), parts.get(4).copied().unwrap_or_default());
    match &stack.region {
        Some(region) if region != there && no_region(region).is_none() => {
            let what = format!("the certificate is in {there}, and the load balancer is in {region}");
            say.problem(place(), what, Some("request or import one in the region of the stack".into()));
        }
        _ => other_partition(arn, "the certificate", place(), stack, say),
    }
    if let Some(account) = stack.account.as_deref().filter(|account| *account != owner) {
        say.problem(
            place(),
            format!("the certificate is of account {owner}, and the load balancer is of {account}"),
            None,
        );
    }
}

/// Checks the address. The schema knows the shape of an address, but not that no part of it is above 255.
fn cidr(stack: &Stack, say: &mut Say<'_>) {
    let Some(cidr) = &stack.network.cidr else { return };
    if cidr.parse::<std::net::Ipv4Addr>().is_err() {
        say.problem(
            "/network/cidr".into(),
            format!("`{cidr}` is not an address"),
            Some("a part is at most 255".into()),
        );
    }
}
