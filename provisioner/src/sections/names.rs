//! Finds names that are too long, used twice, or taken by AWS.

use std::collections::BTreeMap;

use super::Loaded;
use super::say::Say;
use super::words::Name;
use crate::scope::PREFIX_LIMIT;

pub(super) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    prefix(loaded, say);
    // `uses:` names a thing without its section, and a part on a laptop has its name, so no two things may have the same.
    let mut seen: BTreeMap<&Name, &str> = BTreeMap::new();
    for (section, name) in stack.usable() {
        match seen.get(name) {
            Some(first) => say.problem(
                format!("/{section}/{name}"),
                format!("`{name}` is also the name of one of the {first}"),
                Some("`uses` needs different names".into()),
            ),
            None => {
                seen.insert(name, section);
            }
        }
    }
    // The schema gives the keys of its maps a pattern, but no length.
    for (section, name) in stack.usable().into_iter().filter(|(_, name)| name.0.len() > LONGEST) {
        let what = format!("`{name}` has {} characters, more than the {LONGEST} of a name", name.0.len());
        say.problem(format!("/{section}/{name}"), what, None);
    }
}

const LONGEST: usize = 40;

/// Checks the prefix that every name begins with. EC2 and ELB keep one prefix each for themselves (API references,
/// `CreateSecurityGroup`, `CreateLoadBalancer`).
fn prefix(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let prefix = format!("{}-{}", stack.stack, loaded.env);
    if prefix.len() > PREFIX_LIMIT {
        let what = format!(
            "`{prefix}` has {} characters, more than the {PREFIX_LIMIT} that leave room in AWS's shortest names",
            prefix.len()
        );
        say.problem("/stack".into(), what, Some("take a shorter name for the stack or the environment".into()));
    }
    for (begin, whose, there) in
        [("sg-", "firewall group", loaded.needs_network()), ("internal-", "load balancer", stack.has_load_balancer())]
    {
        if there && prefix.starts_with(begin) {
            let what = format!("the name of a {whose} would begin with `{begin}`, which AWS keeps for itself");
            say.problem("/stack".into(), what, Some("take another name for the stack".into()));
        }
    }
}
