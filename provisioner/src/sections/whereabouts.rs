//! `region:`, `account:` and what has to be in both: an ARN says where its thing is, and AWS takes none from elsewhere.

use partition::{PARTITIONS, Partition};

use super::super::load::similar;
use super::Say;
use crate::stack::{Loaded, Stack};

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    if let Some((what, hint)) = stack.region.as_deref().and_then(no_region) {
        say.problem("/region".into(), what, Some(hint));
    }
    boundary(stack, say);
    certificate(stack, say);
    cidr(stack, say);
}

/// Why this is not a region, and what was meant.
pub(in crate::stack) fn no_region(region: &str) -> Option<(String, String)> {
    if partition::may_be(region) {
        return None;
    }
    let hint = match similar(region, partition::regions()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let one = |partition: &Partition| format!("`{}` ({})", partition.regions[0], partition.id);
            format!("one region of each partition: {}", PARTITIONS.iter().map(one).collect::<Vec<_>>().join(", "))
        }
    };
    Some((format!("`{region}` is not a region of AWS"), hint))
}

/// A role takes only boundaries of its own account, and AWS's.
fn boundary(stack: &Stack, say: &mut Say<'_>) {
    let Some(arn) = stack.permissions_boundary.as_deref().filter(|policy| policy.starts_with("arn:")) else { return };
    let place = || "/permissions_boundary".to_owned();
    if let (Some(owner), Some(account)) = (arn.split(':').nth(4), &stack.account)
        && ![account.as_str(), "aws"].contains(&owner)
    {
        let what = format!("the policy is of account {owner}, and the stack's roles are of {account}");
        say.problem(place(), what, Some("the name alone means the stack's own account".into()));
    }
    other_partition(arn, "the policy", place(), stack, say);
}

/// A load balancer takes only certificates of its own region and account (ELB user guide, "Certificates for your listener").
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

fn other_partition(arn: &str, word: &str, place: String, stack: &Stack, say: &mut Say<'_>) {
    let Some(region) = stack.region.as_deref() else { return };
    let (there, here) = (arn.split(':').nth(1).unwrap_or_default(), partition::of(region));
    if let Some(here) = here.filter(|here| here.id != there) {
        let what = format!("{word} is in the partition {there}, and {region} is in {}", here.id);
        say.problem(place, what, Some(format!("its ARN begins with `arn:{}:`", here.id)));
    }
}

/// The schema knows the shape of an address, but not that no part of it is above 255.
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
