//! Checks `region:`, `account:` and the ARNs that must be in both. An ARN says where its thing is, and AWS takes none
//! from elsewhere.

use partition::{PARTITIONS, Partition};

use super::say::Say;
use super::similar::similar;
use super::words::Profile;
use super::{Loaded, Stack};
use crate::yaml::Problem;

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    if let Some((what, hint)) = stack.region.as_deref().and_then(no_region) {
        say.problem("/region".into(), what, Some(hint));
    }
    boundary(stack, say);
}

/// Why this is not a region, and what was meant. `None` if it is one.
pub(super) fn no_region(region: &str) -> Option<(String, String)> {
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

/// Checks the boundary. A role takes only boundaries of its own account, and AWS's.
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

/// The notes about roles in prod that nothing bounds.
pub fn notes(loaded: &Loaded) -> Vec<Problem> {
    let is_free = loaded.stack.permissions_boundary.as_deref() == Some("none");
    if !is_free || loaded.profile != Profile::Prod {
        return Vec::new();
    }
    let what = "the roles of the stack have no permissions boundary: whoever may fill a role may do everything";
    let hint = "leave the line out, and make the boundary that `provision policy` prints";
    vec![Problem::new(loaded.positions.of("/permissions_boundary"), what.to_owned()).hint(hint)]
}

/// Refuses an ARN that is in another partition than the region of the stack.
pub(super) fn other_partition(arn: &str, word: &str, place: String, stack: &Stack, say: &mut Say<'_>) {
    let Some(region) = stack.region.as_deref() else { return };
    let (there, here) = (arn.split(':').nth(1).unwrap_or_default(), partition::of(region));
    if let Some(here) = here.filter(|here| here.id != there) {
        let what = format!("{word} is in the partition {there}, and {region} is in {}", here.id);
        say.problem(place, what, Some(format!("its ARN begins with `arn:{}:`", here.id)));
    }
}
